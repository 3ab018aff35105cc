// Package condatest builds conda packages for tests: real archives of both
// formats, the same bytes for the same [Spec] each time. It panics where a test
// asks for what cannot be built.
package condatest
