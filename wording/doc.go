// Package wording says things as people do, for the sentences that users read.
package wording
