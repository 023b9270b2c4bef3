CREATE TABLE about (
	"key" VARCHAR(32) NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY ("key")
)
CREATE TABLE control (
	id INTEGER NOT NULL, 
	run VARCHAR(128) NOT NULL, 
	time_ns BIGINT NOT NULL, 
	command VARCHAR(16) NOT NULL, 
	text TEXT NOT NULL, 
	PRIMARY KEY (id)
)
CREATE INDEX control_of_run ON control (run, id)
CREATE TABLE entries (
	id INTEGER NOT NULL, 
	run VARCHAR(128) NOT NULL, 
	number INTEGER NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	time_ns BIGINT NOT NULL, 
	payload TEXT NOT NULL, 
	previous VARCHAR(64) NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT one_entry_a_number UNIQUE (run, number)
)
CREATE TRIGGER entries_remain BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END
CREATE TRIGGER entries_stay BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END
CREATE TABLE sealed (
	run VARCHAR(128) NOT NULL, 
	secret VARCHAR(128) NOT NULL, 
	PRIMARY KEY (run)
)
