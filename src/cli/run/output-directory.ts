import { createReadStream } from 'node:fs'
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AuditError } from '../../errors.js'
import { sha256 } from '../../event/sha256.js'
import { createHash } from '../../host/crypto.js'
import { FILE_MODE } from '../../query/export/part-file.js'

/** Readable by its owner only: who else may read the trail is the database's to say. */
const DIRECTORY_MODE = 0o700

/** @throws AuditError `AUDIT_EXPORT` when there is something already: nothing is ever overwritten */
export async function refuseExistingDirectory(path: string): Promise<void> {
  if ((await stat(path).catch(() => undefined)) === undefined) return
  throw new AuditError(
    'AUDIT_EXPORT',
    `${path} exists already, and is not overwritten: name another directory`,
  )
}

/** @throws AuditError `AUDIT_EXPORT` */
export async function makeDirectory(path: string): Promise<void> {
  await refuseExistingDirectory(path)
  await mkdir(path, { mode: DIRECTORY_MODE }).catch((error: unknown) => {
    throw notWritten(path, error)
  })
}

/** Into a directory that was just made. @throws AuditError `AUDIT_EXPORT` */
export async function writeInto(directory: string, name: string, text: string): Promise<void> {
  const path = join(directory, name)
  await writeFile(path, text, { mode: FILE_MODE, flag: 'wx', flush: true }).catch((error: unknown) => {
    throw notWritten(path, error)
  })
}

interface DescribedFile {
  readonly name: string
  readonly bytes: number
  readonly sha256: string
}

/** A text as a manifest names its file. */
export function fileOf(name: string, text: string): DescribedFile {
  return { name, bytes: Buffer.byteLength(text), sha256: sha256(text).toString('hex') }
}

function notWritten(path: string, cause: unknown): AuditError {
  const code = String((cause as { code?: unknown }).code)
  return new AuditError('AUDIT_EXPORT', `${path} cannot be written (${code})`, {
    cause,
    remedy: 'Name a directory that does not exist yet, in one that exists and that this user may write to.',
  })
}

/** Files of a directory, as a manifest names them. */
export async function describedFiles(
  directory: string,
  names: readonly string[],
): Promise<readonly DescribedFile[]> {
  const files: DescribedFile[] = []
  for (const name of names) {
    const hash = createHash('sha256')
    let bytes = 0
    for await (const chunk of createReadStream(join(directory, name))) {
      hash.update(chunk as Buffer)
      bytes += (chunk as Buffer).length
    }
    files.push({ name, bytes, sha256: hash.digest('hex') })
  }
  return files
}
