package conda

import (
	"encoding/base64"
	"strings"
)

// maxAttestation is the size in bytes of the largest attestation; real ones have
// some 10 KiB.
const maxAttestation = 1 << 20

// CheckAttestation checks that raw has the shape of a Sigstore bundle, as CEP 27
// wants an attestation to be: its media type, and something that is signed. It
// does not verify the signature; whoever relies on one has to. The error is an
// [*InvalidError].
func CheckAttestation(raw []byte) error {
	const what = "the attestation"
	if len(raw) > maxAttestation {
		return invalid("%s has %d bytes: at most %d are accepted", what, len(raw), maxAttestation)
	}
	members, err := object(raw, what)
	if err != nil {
		return err
	}
	media, ok := stringOf(members["mediaType"])
	if !ok || !strings.HasPrefix(media, "application/vnd.dev.sigstore.bundle") {
		return invalid("%s has the mediaType %s: a Sigstore bundle is expected (CEP 27)", what, clip(media))
	}
	for _, key := range [...]string{"verificationMaterial", "dsseEnvelope"} {
		if isNull(members[key]) {
			return invalid("%s has no %s (CEP 27)", what, key)
		}
	}
	if _, err := object(members["verificationMaterial"], what+"'s verificationMaterial"); err != nil {
		return err
	}
	envelope, err := object(members["dsseEnvelope"], what+"'s dsseEnvelope")
	if err != nil {
		return err
	}
	payload, ok := stringOf(envelope["payload"])
	if _, err := base64.StdEncoding.DecodeString(payload); !ok || payload == "" || err != nil {
		return invalid("%s has no payload in Base64 (CEP 27)", what)
	}
	if signatures := envelope["signatures"]; len(signatures) == 0 || signatures[0] != '[' {
		return invalid("%s has no signatures (CEP 27)", what)
	}
	return nil
}
