// Package authz decides who may do what: keys, their policies, their scopes, and
// the one function that every request goes through, [Ring.Decide].
//
// What a key may do is the intersection of its policy's permissions, the ceiling
// of its type, its project, its scope, its address list and its time. Nothing adds
// rights and nothing denies what another rule allows: there is one list of
// permissions ([Permissions]), and policies are sets of them. The five roles are
// five policies that come with the gateway ([BuiltinPolicies]).
//
// All keys are in memory. A [Ring] is read without locks and without allocation;
// a change is in force for every decision that begins after it returned. The
// package knows nothing of storage or of the operations that it guards, and of
// HTTP only where a request may carry a credential ([Credentials]).
//
// No error, and nothing else that this package says, holds a credential or a part
// of one beyond its public key id.
package authz
