// Package gateway is the running state of one Fairway: the catalog, the package
// bytes, the keys, the indexes, and every operation that changes them.
//
// There is one [Gateway] per data folder and process. Surfaces (package web and
// its children) translate protocols into calls on it and know nothing of storage;
// everything a surface can do is a method here, so a rule is written once.
//
// # Reads
//
// Everything a request needs to be decided and answered from an index is in
// memory: keys and policies in an [authz.Ring], channels and projects in one
// copy-on-write [directory], indexes in an [indexer.Set]. A read takes no lock.
//
// # Mutations
//
// A mutation asks [Gateway.Authorize], prepares what it can outside the writer,
// and then runs one catalog transaction that also writes its audit row. The
// change feed of the catalog brings memory up to date before the transaction's
// caller goes on, so an answer is never ahead of what the next request sees.
package gateway
