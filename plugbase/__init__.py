"""What both packages share: tables in with file and line in every error, console output, exit statuses."""
