import { parentPort, workerData } from 'node:worker_threads'
import { SpoolDesk, SpoolIsFull } from './desk.js'
import { loadLmdb, SpoolEnvironment } from './environment.js'
import type { NumberedRequest, SpoolGreeting, SpoolResponse, WorkerSettings } from './protocol.js'

/**
 * The thread that owns the LMDB environments. Requests are served in order; appends that have arrived together share
 * one transaction, and so one fsync.
 */
const settings = workerData as WorkerSettings
const lmdb = tryOpen()
if (lmdb !== undefined) serve(lmdb.lmdb, lmdb.desk)

function tryOpen() {
  let module: ReturnType<typeof loadLmdb>
  try {
    module = loadLmdb()
  } catch (error) {
    greet({ failed: String(error), missing: true })
    return undefined
  }
  try {
    const desk = new SpoolDesk(new SpoolEnvironment(module, settings.ownEnvironment), settings.maxBytes)
    greet({ opened: desk.status })
    return { lmdb: module, desk }
  } catch (error) {
    greet({ failed: String(error), missing: false })
    return undefined
  }
}

function serve(lmdb: ReturnType<typeof loadLmdb>, desk: SpoolDesk): void {
  let waiting: NumberedRequest[] = []
  parentPort?.on('message', (request: NumberedRequest) => {
    waiting.push(request)
    if (waiting.length > 1) return
    setImmediate(() => {
      const requests = waiting
      waiting = []
      void serveAll(requests)
    })
  })

  async function serveAll(requests: readonly NumberedRequest[]): Promise<void> {
    for (let i = 0; i < requests.length; ) {
      const appends = []
      for (; requests[i]?.what === 'append'; i++) appends.push(requests[i] as Append)
      if (appends.length > 0) {
        appendAll(desk, appends)
        continue
      }
      const request = requests[i++]
      if (request !== undefined) await serveOne(lmdb, desk, request)
    }
  }
}

type Append = Extract<NumberedRequest, { what: 'append' }>

function appendAll(desk: SpoolDesk, requests: readonly Append[]): void {
  let bytes = 0
  const fitting: Append[] = []
  for (const request of requests) {
    const more = SpoolEnvironment.sizeOf(request.records)
    if (desk.fits(bytes + more)) {
      bytes += more
      fitting.push(request)
    } else {
      refuse(request.id, new SpoolIsFull('the bound of the spool is reached'))
    }
  }
  if (fitting.length === 0) return
  try {
    const keys = desk.append(fitting.flatMap(({ records }) => records))
    let at = 0
    for (const { id, records } of fitting) {
      answer({ id, status: desk.status, keys: keys.slice(at, at + records.length) })
      at += records.length
    }
  } catch (error) {
    for (const { id } of fitting) refuse(id, error)
  }
}

async function serveOne(
  lmdb: ReturnType<typeof loadLmdb>,
  desk: SpoolDesk,
  request: NumberedRequest,
): Promise<void> {
  const { id } = request
  try {
    switch (request.what) {
      case 'next':
        answer({ id, entries: desk.next(request.limit), status: desk.status })
        return
      case 'remove':
        for (const environment of desk.remove(request.keys)) await environment.close()
        break
      case 'putBack':
        desk.putBack(request.keys)
        break
      case 'quarantine':
        desk.quarantine(request.key, request.reason)
        break
      case 'adopt':
        for (const path of request.environments) desk.adopt(new SpoolEnvironment(lmdb, path))
        break
      case 'close':
        for (const environment of desk.environments()) await environment.close()
        answer({ id, status: desk.status })
        parentPort?.close()
        return
      case 'append':
        return
    }
    answer({ id, status: desk.status })
  } catch (error) {
    refuse(id, error)
  }
}

function greet(greeting: SpoolGreeting): void {
  parentPort?.postMessage(greeting)
}

function answer(response: SpoolResponse): void {
  parentPort?.postMessage(response)
}

function refuse(id: number, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error)
  answer({ id, refusal: error instanceof SpoolIsFull ? 'full' : 'unavailable', message })
}
