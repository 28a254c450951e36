import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { AuditError } from '../../errors.js'
import { Anchors, readAnchors } from '../../verify/anchors.js'
import { NO_TRUST, parseTrust, type Trust } from '../../verify/trust.js'

export async function trustFrom(path: string | undefined): Promise<Trust> {
  return path === undefined ? NO_TRUST : parseTrust(await textOf(path))
}

export async function anchorsFrom(path: string | undefined): Promise<Anchors> {
  const anchors = new Anchors()
  if (path === undefined) return anchors
  const input = createReadStream(path)
  try {
    await readAnchors(createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY }), anchors)
    return anchors
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
