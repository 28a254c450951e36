import type { Worker } from 'node:worker_threads'
import { packageFile } from '../../host/package-file.js'
import type { CheckedRow } from '../../verify/source.js'
import { unpackError } from '../packed-error.js'
import { startThread } from '../start-thread.js'
import { unpackRows } from './packed-rows.js'
import type { RowsAnswer, RowsOrder } from './rows-worker.js'

/** Batches that may be on their way: the thread reads on while these are held against their blocks. */
const AHEAD = 8

/** Keeps the memory of the thread small: what it makes is gone with the next batch. */
const YOUNG_GENERATION_MB = 8

/**
 * Rows that a thread reads and hashes, on a session of its own with the same snapshot, in the same order.
 *
 * @throws AuditError `AUDIT_PACKAGE` or `AUDIT_WRITER_THREAD`, at once, when there can be no such thread; what the thread
 *   throws
 */
export function rowsOfThread(order: RowsOrder): AsyncIterable<readonly CheckedRow[]> {
  const program = packageFile('./rows-worker.js', import.meta.url)
  const resourceLimits = { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB }
  const worker = startThread(program, 'otel-audit reader', { workerData: order, resourceLimits })
  return { [Symbol.asyncIterator]: () => batchesOf(worker) }
}

async function* batchesOf(worker: Worker): AsyncGenerator<readonly CheckedRow[], void> {
  const answers: RowsAnswer[] = []
  let failure: Error | undefined
  let wake = (): void => {}
  const fail = (error: Error): void => {
    failure ??= error
    wake()
  }
  worker.on('message', (answer: RowsAnswer) => {
    answers.push(answer)
    wake()
  })
  worker.on('error', fail)
  worker.on('exit', () => fail(new Error('the thread that reads has ended')))
  try {
    for (let i = 0; i < AHEAD; i++) worker.postMessage('more')
    for (;;) {
      const answer = answers.shift()
      if (answer === 'end') return
      if (answer === undefined) {
        if (failure !== undefined) throw failure
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      } else if ('error' in answer) {
        throw unpackError(answer.error)
      } else {
        worker.postMessage('more')
        yield unpackRows(answer)
      }
    }
  } finally {
    await worker.terminate()
  }
}
