"""Columns as people have them: ids, times, texts and lists, cleaned where that is certain and refused where not."""
