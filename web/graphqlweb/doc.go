// Package graphqlweb serves prefix.dev's GraphQL API at POST /api/graphql, over the
// same channels, packages and keys as every other surface. The schema is in
// schema.graphql, and served at /-/schema.graphql.
//
// A hostile query costs little: its body, its length, its depth and the number of
// its selections are bounded before anything runs, and what it then looks up is paid
// for out of a budget of the request.
package graphqlweb
