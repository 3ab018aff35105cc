// Package catalog is the truth of a gateway: projects, policies, keys, channels,
// packages and their Python counterparts in one SQLite database, with a revision
// that only grows.
//
// Every mutation goes through [Store.Update]. One writer runs queued mutations in
// a batch, each in a savepoint of its own, commits the batch with one fsync
// (WAL, synchronous=FULL: an answered mutation survives a power cut), tells the
// subscriber what changed, and answers. Reads run on a pool of their own and never
// wait for the writer.
//
// The package knows SQL and nothing of HTTP, clients or file formats. Times are
// Unix milliseconds in UTC, 0 meaning never; hashes are raw bytes.
package catalog
