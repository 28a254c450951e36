import { JSON } from '../../host/globals.js'
import { packageFile } from '../../host/package-file.js'
import { execFile } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { EnvironmentCounts } from '../lmdb/protocol.js'

/** `write`: also whether it could be changed; only by the process that has the environment. */
export type InspectionMode = 'read' | 'write'

/** An entry that was set aside, with the fields of its event that an error may name. */
export interface QuarantinedEntry {
  readonly reason: string
  readonly auditId?: string
  readonly credential?: string
  readonly operation?: string
  readonly outcome?: string
}

/** What an environment holds. */
export interface Inspection extends EnvironmentCounts {
  /** µs since the Unix epoch: when the event of the first entry occurred. */
  readonly oldest: number | null
  /** The first thousand that were set aside. */
  readonly listed: readonly QuarantinedEntry[]
}

/** The environment is damaged. The message says what was found. */
export class EnvironmentDamaged extends Error {
  override readonly name = 'EnvironmentDamaged'
}

const LEAST_MS = 30_000
/** A disk that reads fewer bytes in a ms is treated as one that does not answer. */
const SLOWEST_BYTES_PER_MS = 5000

/**
 * Reads through a whole environment in a process of its own. LMDB maps its file into memory and trusts it: a file that
 * is cut off or overwritten can end the process that reads it (SIGBUS, SIGSEGV). That must not be the service.
 *
 * @throws EnvironmentDamaged when it cannot be read; another error when it could not be tried
 */
export async function inspectEnvironment(
  path: string,
  mode: InspectionMode,
  signal?: AbortSignal,
): Promise<Inspection> {
  const { size } = await stat(join(path, 'data.mdb'))
  const inspector = fileURLToPath(packageFile('./inspect-process.js', import.meta.url))
  return await new Promise<Inspection>((resolve, reject) => {
    execFile(
      process.execPath,
      [inspector, path, mode],
      {
        // Nothing of this process's, and above all no NODE_OPTIONS, which would start a second audit pipeline there.
        env: {},
        timeout: LEAST_MS + Math.ceil(size / SLOWEST_BYTES_PER_MS),
        killSignal: 'SIGKILL',
        maxBuffer: 16 * 1024 * 1024,
        signal,
      },
      (error, stdout, stderr) => {
        if (error === null) resolve(JSON.parse(stdout) as Inspection)
        else reject(reasonOf(error, stderr))
      },
    )
  })
}

function reasonOf(
  error: Error & { code?: unknown; signal?: string | null; killed?: boolean },
  stderr: string,
): Error {
  // `code` is a name when the process could not be started, and a number when it has ended.
  if (typeof error.code === 'string') return error
  if (error.killed === true) return new EnvironmentDamaged('reading it did not finish in time')
  if (typeof error.signal === 'string')
    return new EnvironmentDamaged(`reading it crashes the process (${error.signal})`)
  return new EnvironmentDamaged(`it cannot be read: ${stderr.trim().replaceAll('\n', ': ') || error.message}`)
}
