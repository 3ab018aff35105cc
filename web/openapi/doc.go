// Package openapi describes every REST route of the gateway as one OpenAPI 3.1
// document, for programs at /-/openapi.json and for people at /-/api.
//
// The document is made of the routes themselves when a site is made: a route without
// a row in the table here, or a row without a route, is an error, so that the
// document cannot drift from what is served.
package openapi
