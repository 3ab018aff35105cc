-- Times are Unix milliseconds, 0 for never. Digests are raw bytes. JSON is text.

CREATE TABLE settings (
	name  TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE projects (
	id         TEXT PRIMARY KEY,
	name       TEXT NOT NULL UNIQUE,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE policies (
	id          TEXT PRIMARY KEY,
	name        TEXT NOT NULL UNIQUE,
	permissions TEXT NOT NULL,
	builtin     INTEGER NOT NULL,
	created_at  INTEGER NOT NULL,
	updated_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE api_keys (
	id           TEXT PRIMARY KEY,
	name         TEXT NOT NULL,
	type         TEXT NOT NULL,
	policy_id    TEXT NOT NULL REFERENCES policies(id),
	project_id   TEXT REFERENCES projects(id),
	scope        TEXT,
	cidrs        TEXT NOT NULL,
	enabled      INTEGER NOT NULL,
	expires_at   INTEGER NOT NULL,
	issuer_id    TEXT REFERENCES api_keys(id),
	created_by   TEXT NOT NULL,
	created_at   INTEGER NOT NULL,
	updated_at   INTEGER NOT NULL,
	last_used_at INTEGER NOT NULL
) STRICT;
-- Public keys share a name: each issuer may hand out its own.
CREATE UNIQUE INDEX api_keys_name ON api_keys(name) WHERE type = 'sk';
CREATE INDEX api_keys_policy ON api_keys(policy_id);
CREATE INDEX api_keys_project ON api_keys(project_id);
CREATE INDEX api_keys_issuer ON api_keys(issuer_id);

CREATE TABLE key_secrets (
	kid        TEXT PRIMARY KEY,
	key_id     TEXT NOT NULL REFERENCES api_keys(id),
	sha256     BLOB NOT NULL,
	not_after  INTEGER NOT NULL,
	nonce      BLOB,
	created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX key_secrets_key ON key_secrets(key_id);

-- AUTOINCREMENT: the id of a deleted channel never names another one.
CREATE TABLE channels (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	name        TEXT NOT NULL UNIQUE,
	project_id  TEXT REFERENCES projects(id),
	visibility  TEXT NOT NULL,
	description TEXT NOT NULL,
	notices     TEXT,
	created_at  INTEGER NOT NULL,
	updated_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX channels_project ON channels(project_id);

-- The columns that indexes do not need come last: a row that does not fit its
-- page overflows from there, and indexes never read the overflow.
CREATE TABLE packages (
	id           INTEGER PRIMARY KEY,
	channel_id   INTEGER NOT NULL REFERENCES channels(id),
	subdir       TEXT NOT NULL,
	filename     TEXT NOT NULL,
	name         TEXT NOT NULL,
	version      TEXT NOT NULL,
	build        TEXT NOT NULL,
	build_number INTEGER NOT NULL,
	sha256       BLOB NOT NULL,
	md5          BLOB NOT NULL,
	size         INTEGER NOT NULL,
	indexed_at   INTEGER NOT NULL,
	uploaded_at  INTEGER NOT NULL,
	uploaded_by  TEXT NOT NULL,
	yanked_at    INTEGER NOT NULL,
	yank_reason  TEXT NOT NULL,
	rev          INTEGER NOT NULL,
	record       TEXT NOT NULL,
	run_exports  TEXT,
	about        TEXT,
	index_json   TEXT,
	attestation  BLOB
) STRICT;
CREATE UNIQUE INDEX packages_file ON packages(channel_id, subdir, filename);
CREATE INDEX packages_name ON packages(channel_id, name, subdir, filename); -- ordered: else SQLite reads the whole subdir for its order
CREATE INDEX packages_blob ON packages(sha256);

CREATE TABLE subdirs (
	channel_id INTEGER NOT NULL REFERENCES channels(id),
	subdir     TEXT NOT NULL,
	rev        INTEGER NOT NULL,
	changed_at INTEGER NOT NULL,
	packages   INTEGER NOT NULL,
	yanked     INTEGER NOT NULL,
	PRIMARY KEY (channel_id, subdir)
) STRICT, WITHOUT ROWID;

CREATE TABLE patches (
	channel_id INTEGER NOT NULL REFERENCES channels(id),
	subdir     TEXT NOT NULL,
	patch      TEXT NOT NULL,
	PRIMARY KEY (channel_id, subdir)
) STRICT;

CREATE TABLE tombstones (
	channel_id INTEGER NOT NULL REFERENCES channels(id),
	subdir     TEXT NOT NULL,
	filename   TEXT NOT NULL,
	sha256     BLOB NOT NULL,
	indexed_at INTEGER NOT NULL,
	deleted_at INTEGER NOT NULL,
	PRIMARY KEY (channel_id, subdir, filename, sha256)
) STRICT, WITHOUT ROWID;

CREATE TABLE py_names (
	name          TEXT PRIMARY KEY,
	display       TEXT NOT NULL,
	project_id    TEXT REFERENCES projects(id),
	visibility    TEXT NOT NULL,
	status        TEXT NOT NULL,
	status_reason TEXT NOT NULL,
	created_at    INTEGER NOT NULL,
	updated_at    INTEGER NOT NULL,
	rev           INTEGER NOT NULL,
	changed_at    INTEGER NOT NULL,
	files         INTEGER NOT NULL
) STRICT;
CREATE INDEX py_names_project ON py_names(project_id);

CREATE TABLE py_files (
	id              INTEGER PRIMARY KEY,
	name            TEXT NOT NULL REFERENCES py_names(name),
	filename        TEXT NOT NULL UNIQUE,
	version         TEXT NOT NULL,
	file_type       TEXT NOT NULL,
	sha256          BLOB NOT NULL,
	md5             BLOB NOT NULL,
	blake2b         BLOB,
	size            INTEGER NOT NULL,
	requires_python TEXT NOT NULL,
	metadata_sha256 BLOB,
	uploaded_at     INTEGER NOT NULL,
	uploaded_by     TEXT NOT NULL,
	yanked          INTEGER NOT NULL,
	yank_reason     TEXT NOT NULL,
	rev             INTEGER NOT NULL,
	metadata        BLOB,
	provenance      BLOB
) STRICT;
CREATE INDEX py_files_name ON py_files(name, filename);
CREATE INDEX py_files_blob ON py_files(sha256);

CREATE TABLE py_tombstones (
	filename   TEXT PRIMARY KEY,
	name       TEXT NOT NULL,
	sha256     BLOB NOT NULL,
	deleted_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE reserved (
	pattern TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- seq grows by one per row; the oldest rows are pruned.
CREATE TABLE changes (
	seq    INTEGER PRIMARY KEY,
	rev    INTEGER NOT NULL,
	kind   TEXT NOT NULL,
	parent TEXT NOT NULL,
	id     TEXT NOT NULL
) STRICT;
CREATE INDEX changes_parent ON changes(kind, parent, rev);

-- AUTOINCREMENT: pruning never lets an id come back.
CREATE TABLE audit (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	at          INTEGER NOT NULL,
	key_id      TEXT NOT NULL,
	actor       TEXT NOT NULL,
	address     TEXT NOT NULL,
	request_id  TEXT NOT NULL,
	action      TEXT NOT NULL,
	kind        TEXT NOT NULL,
	target      TEXT NOT NULL,
	before_json TEXT,
	after_json  TEXT,
	outcome     TEXT NOT NULL
) STRICT;
CREATE INDEX audit_at ON audit(at);
CREATE INDEX audit_target ON audit(target);
CREATE INDEX audit_actor ON audit(actor);
CREATE INDEX audit_key ON audit(key_id);
