// Package dashweb serves what is below /-/: health and readiness for machines, and
// a page for people that lists what they may read and says how to use it.
package dashweb
