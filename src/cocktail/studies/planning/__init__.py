"""What a study asks for before anything is downloaded: runs, rows, tokens, steps, hours, disk."""
