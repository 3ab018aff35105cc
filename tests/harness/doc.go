// Package harness runs bin/fairway for tests that only the whole gateway can
// show: it starts the binary on free ports with a data folder of its own, drives
// its command line, talks HTTP to it, kills it, starts it again, and runs the
// client scripts of tests/clients against it.
//
// Whatever a test does, [Start] adds two checks at its end: the log holds neither
// a panic nor a data race, and no key that was made stands in a log, a file or a
// metric.
package harness
