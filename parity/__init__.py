"""Does the page answer as the server does? Photos through a real server and a real page, compared score by score."""
