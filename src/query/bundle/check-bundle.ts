import { createReadStream } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createHash } from '../../host/crypto.js'
import { JSON } from '../../host/globals.js'
import { sha256 } from '../../event/sha256.js'
import { AuditError } from '../../errors.js'
import { openNote, parseNote } from '../../chain/note.js'
import type { Trust } from '../../verify/trust.js'
import type { BundleFinding, Found } from './bundle-finding.js'
import {
  BUNDLE_FILES,
  type BundleFile,
  type BundleFileName,
  type BundleManifest,
  MANIFEST,
  parseBundleManifest,
  SIGNATURE,
  signedText,
} from './bundle-manifest.js'
import { checkBundleRows, type RowsChecked } from './check-bundle-rows.js'

export interface BundleReport extends RowsChecked {
  readonly manifest: BundleManifest
  readonly findings: readonly BundleFinding[]
  /** Key names that signed the manifest and that the trust file has. */
  readonly signedBy: readonly string[]
  /** There is a signature, and the trust file has no key to check it with. */
  readonly isUnchecked: boolean
}

/**
 * Checks a bundle with nothing but its files and public keys.
 *
 * 1. The manifest is the one that was signed, as far as there is a key.
 * 2. Each file is there, as the manifest says it was, and no other.
 * 3. Each row is, byte for byte, one that was signed, and each proof is of a row.
 * 4. What else is derived from the rows (counts, notes, coverage) is what follows from them.
 *
 * @throws AuditError `AUDIT_EVIDENCE_MALFORMED` without a manifest that can be read
 */
export async function checkBundle(directory: string, trust: Trust): Promise<BundleReport> {
  const manifestBytes = await readFile(join(directory, MANIFEST)).catch((error: unknown) => {
    const code = String((error as { code?: unknown }).code)
    throw new AuditError(
      'AUDIT_EVIDENCE_MALFORMED',
      `${join(directory, MANIFEST)} cannot be read (${code})`,
      {
        remedy: 'Name the directory that otel-audit evidence has made.',
      },
    )
  })
  const manifest = parseBundleManifest(manifestBytes.toString('utf8'))
  const findings: BundleFinding[] = []
  const found = (code: BundleFinding['code'], message: string): void => {
    findings.push({ code, message })
  }
  const digest = sha256(manifestBytes).toString('hex')
  const signature = await checkSignature(directory, manifest, digest, trust, found)
  const whole = await checkFiles(directory, manifest, found)
  const rows = await checkBundleRows(directory, manifest, trust, { whole, found })
  return { manifest, findings, ...signature, ...rows }
}

async function checkSignature(
  directory: string,
  manifest: BundleManifest,
  manifestSha256: string,
  { evidence = [] }: Trust,
  found: Found,
): Promise<Pick<BundleReport, 'signedBy' | 'isUnchecked'>> {
  const none = { signedBy: [], isUnchecked: false }
  const note = await readFile(join(directory, SIGNATURE), 'utf8').catch(() => undefined)
  if (note === undefined) {
    if (evidence.length > 0) found('bundle-signature', `${SIGNATURE} is not there: nobody signed the bundle`)
    return none
  }
  try {
    if (parseNote(note).text !== signedText(manifest, manifestSha256)) {
      found('bundle-signature', `${SIGNATURE} is of another manifest than ${MANIFEST}`)
      return none
    }
    if (evidence.length === 0) return { signedBy: [], isUnchecked: true }
    return { signedBy: openNote(note, evidence).verified, isUnchecked: false }
  } catch (error) {
    if (!(error instanceof AuditError)) throw error
    found('bundle-signature', `${SIGNATURE}: ${error.reason}`)
    return none
  }
}

/** @returns the files that are as they were */
async function checkFiles(
  directory: string,
  { files }: BundleManifest,
  found: Found,
): Promise<ReadonlySet<BundleFileName>> {
  const whole = new Set<BundleFileName>()
  const named = new Map(files.map((file) => [file.name, file]))
  for (const name of Object.keys(BUNDLE_FILES) as BundleFileName[]) {
    const file = named.get(name)
    if (file === undefined) {
      found('bundle-manifest', `${MANIFEST} does not name ${name}`)
      continue
    }
    const problem = await problemOf(directory, file, files)
    if (problem === undefined) whole.add(name)
    else found('bundle-file', `${name} ${problem}`)
  }
  const expected = new Set<string>([...Object.keys(BUNDLE_FILES), MANIFEST, SIGNATURE])
  for (const name of (await readdir(directory)).sort()) {
    if (!expected.has(name)) found('bundle-file', `${JSON.stringify(name)} is not a file of the bundle`)
  }
  return whole
}

async function problemOf(
  directory: string,
  { name, bytes, sha256: expected }: BundleFile,
  files: readonly BundleFile[],
): Promise<string | undefined> {
  const hash = createHash('sha256')
  let length = 0
  try {
    for await (const chunk of createReadStream(join(directory, name))) {
      hash.update(chunk as Buffer)
      length += (chunk as Buffer).length
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    return code === 'ENOENT' ? 'is missing' : `cannot be read (${String(code)})`
  }
  const digest = hash.digest('hex')
  if (digest === expected) return undefined
  const other = files.find((file) => file.sha256 === digest)
  if (other !== undefined) return `has the content of ${other.name}`
  if (length < bytes) return `was cut or altered: it has ${length} bytes, not ${bytes}`
  return length > bytes
    ? `was altered: it has ${length} bytes, not ${bytes}`
    : 'was altered: it has another SHA-256'
}
