import { Worker, type WorkerOptions } from 'node:worker_threads'
import { AuditError } from '../errors.js'
import { errorText } from '../host/error-text.js'

const REMEDY =
  'Permit worker threads (`--allow-worker` beside `--permission`), or leave `writerThread` off: the process then writes itself.'

type ThreadOptions = Pick<WorkerOptions, 'workerData' | 'resourceLimits'>

/**
 * A thread that has sessions of its own.
 *
 * @throws AuditError `AUDIT_WRITER_THREAD` where there can be no threads
 */
export function startThread(program: URL, name: string, options: ThreadOptions = {}): Worker {
  try {
    return new Worker(program, {
      ...options,
      name,
      // No flags of the process: `--import otel-audit/register` would start a second pipeline there. Variables, for `pg` reads
      // PGPASSWORD and others.
      execArgv: [],
      env: { ...process.env, NODE_OPTIONS: '' },
    })
  } catch (error) {
    const { code } = error as { code?: unknown }
    const what = typeof code === 'string' ? code : errorText(error)
    throw new AuditError('AUDIT_WRITER_THREAD', `no thread can be started (${what})`, { remedy: REMEDY })
  }
}
