// Package indexer keeps the indexes of conda channels as a function of their
// records: repodata.json (CEP 36), the same as one zstd frame, shards and their
// index (CEP 16, CEP 21), run_exports.json (CEP 12), current_repodata.json and
// channeldata.json (CEP 38).
//
// One subdir has one generation behind an atomic pointer. Its names, in order,
// are cut into segments of some tens of KiB, and what a segment contributes to
// each file is encoded and compressed once. A change reads the records of the
// names that changed, makes their segment anew and puts a new generation in
// place: every file of the subdir switches at once, and readers take no lock.
//
// Where a segment begins depends on nothing but the name it begins with and the
// size of that name's records. So the bytes served are a function of the records
// alone: whatever the order of publications, and on every node, they are those of
// a build from nothing.
//
// Keys are in code point order within one name, and names are in code point order.
// That is not quite the order of file names, in which "foo-bar" would stand in
// the middle of "foo"; JSON objects have no order, and this one lets a name live
// in one segment.
package indexer
