package authz

import (
	"fmt"
	"strconv"
)

// Perm is one thing that a key may be allowed to do.
type Perm uint8

// The permissions. Their order is no contract: policies are stored by name.
const (
	ChannelRead Perm = iota
	PackageRead
	EngineRead
	ProxyFetch
	KeyRequestPublic
	PackageReadClosed
	PackageUpload
	PackageYank
	ChannelCreate
	ChannelUpdate
	ChannelReindex
	PackageOverwrite
	PackageDelete
	ChannelDelete
	CachePurge
	KeyRead
	KeyCreate
	KeyUpdate
	KeyDelete
	KeyRotate
	PolicyRead
	PolicyCreate
	PolicyUpdate
	PolicyDelete
	ProjectUpdate
	AuditRead
	MetricsRead
	NumPerms // how many there are
)

// Permission is a permission as people see it.
type Permission struct {
	Perm        Perm
	Name        string // as in "package:read"
	Description string // one sentence

	level level
}

// level says what a permission is about, and so how a key's scope bears on it.
type level uint8

const (
	// onItem is about one package, or a look at what is there. Such an operation is
	// often decided before the name is known (an upload, before its body is read)
	// and then again with it, so a dimension that the resource leaves empty is not
	// held against the key.
	onItem level = iota
	// onWhole changes a channel or a Python name with everything in it: a dimension
	// that the resource leaves empty means all of it, and needs a key that is not
	// limited there.
	onWhole
	// onKeys manages keys, where the subset rule ([CanGrant]) stands guard: a scoped
	// key may manage keys within its own scope.
	onKeys
	// onShared is a look at what the account's projects have in common, which a scoped
	// key does not get.
	onShared
	// onAccount is about the account itself, which neither a scoped key nor one that is
	// bound to a project holds any part of.
	onAccount
)

// permissions is the one list: what is not in it cannot be granted or asked for.
var permissions = [NumPerms]Permission{
	{ChannelRead, "channel:read", "Read the indexes of channels and list channels.", onItem},
	{PackageRead, "package:read", "Read Python project pages and download packages.", onItem},
	{EngineRead, "engine:read", "List package engines.", onItem},
	{ProxyFetch, "proxy:fetch", "Use the pass-through to the upstream index and fill its cache.", onItem},
	{KeyRequestPublic, "key:request-public", "Ask for a short-lived public key that reads open data.", onKeys},
	{PackageReadClosed, "package:read-closed", "Read what is closed.", onItem},
	{PackageUpload, "package:upload", "Publish new packages.", onItem},
	{PackageYank, "package:yank", "Yank and unyank packages.", onItem},
	{ChannelCreate, "channel:create", "Make channels.", onWhole},
	{ChannelUpdate, "channel:update", "Change settings of channels and Python names, and patch channel indexes.", onWhole},
	{ChannelReindex, "channel:reindex", "Check and rebuild the indexes of channels.", onWhole},
	{PackageOverwrite, "package:overwrite", "Replace a published file by other bytes.", onItem},
	{PackageDelete, "package:delete", "Delete packages for good.", onItem},
	{ChannelDelete, "channel:delete", "Delete channels.", onWhole},
	{CachePurge, "cache:purge", "Empty the cache of the pass-through.", onAccount},
	{KeyRead, "key:read", "List keys, without their values.", onKeys},
	{KeyCreate, "key:create", "Make keys that may do no more than the one that makes them.", onKeys},
	{KeyUpdate, "key:update", "Change, enable and disable keys.", onKeys},
	{KeyDelete, "key:delete", "Revoke keys.", onKeys},
	{KeyRotate, "key:rotate", "Give keys new values.", onKeys},
	{PolicyRead, "policy:read", "List policies and permissions.", onShared},
	{PolicyCreate, "policy:create", "Make policies that grant no more than the key that makes them.", onAccount},
	{PolicyUpdate, "policy:update", "Change policies, and with them what their keys may do.", onAccount},
	{PolicyDelete, "policy:delete", "Delete policies, and with them their keys.", onAccount},
	{ProjectUpdate, "project:update", "Make, rename and delete projects.", onAccount},
	{AuditRead, "audit:read", "Read the audit trail.", onAccount},
	{MetricsRead, "metrics:read", "Read metrics.", onAccount},
}

// aliases are names of permissions in the APIs that the gateway speaks too.
var aliases = map[string]Perm{
	"channel:upload":         PackageUpload, // prefix.dev's
	"channel:delete-package": PackageDelete,
}

var byName = func() map[string]Perm {
	m := make(map[string]Perm, len(permissions)+len(aliases))
	for i := range permissions {
		m[permissions[i].Name] = permissions[i].Perm
	}
	for name, p := range aliases {
		m[name] = p
	}
	return m
}()

// Permissions lists every permission, in their order.
func Permissions() []Permission {
	all := permissions
	return all[:]
}

// String is the permission's name.
func (p Perm) String() string {
	if p >= NumPerms {
		return "permission(" + strconv.Itoa(int(p)) + ")"
	}
	return permissions[p].Name
}

// ParsePerm finds a permission by its exact name or an alias of it: channel:upload
// is package:upload, channel:delete-package is package:delete. There are no
// wildcards.
func ParsePerm(name string) (Perm, error) {
	p, ok := byName[name]
	if !ok {
		return 0, fmt.Errorf("%s is no permission: a name as package:read is expected", quote(name))
	}
	return p, nil
}
