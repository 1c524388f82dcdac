"""Semantic IDs as an arm reads them: its vocabulary, its tokens, and the trie of real items."""
