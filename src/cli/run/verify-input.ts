import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { type AnchorLines, readAnchors } from '../../verify/anchor-file.js'
import { Anchors } from '../../verify/anchors.js'
import { NO_TRUST, parseTrust, type Trust } from '../../verify/trust.js'
import { AuditError } from '../../errors.js'
import { sha256 } from '../../event/sha256.js'
import { checkTrailId } from '../../postgres/trail-identity.js'

export async function trustFrom(path: string | undefined): Promise<Trust> {
  return path === undefined ? NO_TRUST : parseTrust(await textOf(path))
}

/** The same, with the SHA-256 of the file, lower-case hex: what is made with it names it so. */
export async function trustAndHash(
  path: string | undefined,
): Promise<{ readonly trust: Trust; readonly sha256: string | null }> {
  if (path === undefined) return { trust: NO_TRUST, sha256: null }
  const text = await textOf(path)
  return { trust: parseTrust(text), sha256: sha256(text).toString('hex') }
}

/**
 * The trails that may be read: those of the trust file, else the one of the option `trail`. None: whichever is there.
 *
 * @throws AuditError `AUDIT_INVALID_OPTION` when the two contradict each other
 */
export function trailsOf({ trails = [] }: Trust, option: string | undefined): readonly string[] {
  if (option === undefined || trails.includes(option)) return trails
  if (trails.length === 0) return [checkTrailId(option)]
  throw new AuditError(
    'AUDIT_INVALID_OPTION',
    `the option trail (NOETL_SECRET_AUDIT_TRAIL) is ${option}, and the trust file has ${trails.join(' and ')}`,
    { field: 'trail' },
  )
}

/** Anchors, and what the lines of their file have come to. */
export interface GivenAnchors {
  readonly anchors: Anchors
  /** Undefined: no file was given. */
  readonly lines: AnchorLines | undefined
}

export async function anchorsFrom(path: string | undefined): Promise<GivenAnchors> {
  const anchors = new Anchors()
  if (path === undefined) return { anchors, lines: undefined }
  const input = createReadStream(path)
  try {
    const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })
    return { anchors, lines: await readAnchors(lines, anchors) }
  } catch (error) {
    throw unreadable(path, error)
  } finally {
    input.destroy()
  }
}

export async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw unreadable(path, error)
  }
}

function unreadable(path: string, error: unknown): AuditError {
  if (error instanceof AuditError) return error
  const code = String((error as { code?: unknown }).code)
  return new AuditError('AUDIT_EVIDENCE_MALFORMED', `${path} cannot be read (${code})`, {
    remedy: 'Name an existing file that this user may read.',
  })
}
