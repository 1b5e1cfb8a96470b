"""One file a migration, oldest first; `server/storage/schema.py` names the newest."""
