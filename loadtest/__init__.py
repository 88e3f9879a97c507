"""Server against device under load: locust's users, Chromium's visits, and the report that compares them."""
