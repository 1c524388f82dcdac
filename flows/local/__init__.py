"""One machine: its servers, pages and terminal, and what a stage costs there."""
