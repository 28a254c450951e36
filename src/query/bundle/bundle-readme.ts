import { visible } from '../../host/visible.js'
import { BUNDLE_FILES, type BundleManifest, MANIFEST, SIGNATURE } from './bundle-manifest.js'

const WIDTH = 27

/** What the bundle says of itself, for someone who has never heard of the product. */
export function bundleReadme(
  manifest: Omit<BundleManifest, 'files'>,
  { isSigned }: { readonly isSigned: boolean },
): string {
  const { incident, made_at, made_by, rows, context_rows, unproven, trail, window, version } = manifest
  const { result } = manifest.verification
  return `EVIDENCE: ${visible(incident)}
Made ${made_at} by ${visible(made_by)}, with otel-audit ${version}, from trail ${trail}.

This directory has ${rows} rows of an audit trail of accesses to secrets, and ${context_rows} rows of the
programs that wrote them about themselves. Each row says which secret was asked for, by whom, when,
and how it ended. It never has the secret itself.

FILES

${Object.entries(BUNDLE_FILES)
  .map(([name, what]) => `  ${name.padEnd(WIDTH)} ${what}`)
  .join('\n')}
  ${MANIFEST.padEnd(WIDTH)} the SHA-256 of each of these
  ${SIGNATURE.padEnd(WIDTH)} ${isSigned ? "the operator's signature of that manifest" : 'is not there: this bundle was not signed'}

HOW TO CHECK IT

Without a database and without the operator, on any machine that has Node.js:

  npx otel-audit evidence --check <this directory> --trust <trust file>

The trust file has the public keys of the operator. Get it from someone else than from whom you
have this directory: whoever can change one of them should not be able to change the other. When
the bundle was made, ${manifest.trust_sha256 === null ? 'no trust file was used.' : `the trust file had SHA-256\n${manifest.trust_sha256}.`}

The check names each file that was altered, cut short, exchanged or taken away, and each row that is
not the one that was signed. A single line of proofs.ndjson can be checked by itself:
"otel-audit verify --trust <trust file> --proof <file with that line>". The formats are public
(docs/integrity.md of the product), so that the check can be written anew by another party.

WHAT IT PROVES

1. Each row with a proof is, byte for byte, what a program of the operator signed when it recorded
   the access, in a block of rows, by a key that only the memory of that program had. Nobody could
   change it afterwards, or put it in, without breaking a signature or the chain of blocks.
2. With a trust file that has the operator's enrolment key: that program was the operator's.
3. ${isSigned ? "The bundle as a whole is what the holder of the operator's evidence key made." : 'As nobody signed the bundle, whoever passed it on could have left out a row with its proof.'}
${unproven.length > 0 ? `\n${unproven.length} rows have no proof: ${MANIFEST} names each, with the reason.\n` : ''}
WHAT IT DOES NOT PROVE

1. That these are all rows of the incident. That rests on verify.json (which says: ${visible(result)}), the
   statement of whoever made the bundle that nothing was missing from the trail. It can be repeated
   on the trail itself: "otel-audit verify --manifest rows.ndjson.manifest.json --anchors notes.txt".
2. That an access was recorded at all. coverage.json says which programs were audited${window === null ? '' : `\n   from ${window.from} to ${window.to}`}, and context.ndjson
   which events are known to be lost. Where nothing is said, nothing is known.
3. That what a program recorded was true: a program that lies signs its lie. Who is named is who the
   program said it was.
4. The column recorded_at, when the database stored the row, which no signature covers.
5. What was done with a secret afterwards.
`
}
