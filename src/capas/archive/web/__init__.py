"""The archive in the browser: search page, JSON API, and IIIF for other viewers."""
