import { setImmediate } from '../../host/globals.js'
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { errorText } from '../../host/error-text.js'
import { loadLmdb, type Lmdb } from './databases.js'
import { HandOut } from './hand-out.js'
import { SpoolEnvironment } from './environment.js'
import { ExitGate } from './exit-gate.js'
import { memoryOf, pack, unpack } from './packed.js'
import type {
  NumberedRequest,
  SpoolAnswer,
  SpoolGreeting,
  SpoolResponse,
  WorkerSettings,
} from './protocol.js'
import { sealRecords, spooledBytes } from '../record.js'
import { intactRecords } from './salvage.js'

/** Most bytes of one transaction of several appends. */
const GROUP_BYTES = 4 * 1024 * 1024
const SALVAGE_ROWS = 512

/**
 * The thread that owns the LMDB environments. Requests are served one after the other; appends that have arrived
 * together share one transaction, and so one fsync.
 */
start(workerData as WorkerSettings)

function start(settings: WorkerSettings): void {
  let lmdb: Lmdb
  try {
    lmdb = loadLmdb()
  } catch (error) {
    greet({ failed: errorText(error), missing: true })
    return
  }
  const gate = new ExitGate(settings.gate)
  if (!gate.enter()) return
  try {
    const handOut = new HandOut(new SpoolEnvironment(lmdb, settings.ownEnvironment), settings.maxBytes)
    greet({ opened: handOut.status })
    serve(lmdb, handOut, gate)
  } catch (error) {
    greet({ failed: errorText(error), missing: false })
  } finally {
    gate.leave()
  }
}

function serve(lmdb: Lmdb, handOut: HandOut, gate: ExitGate): void {
  const waiting: NumberedRequest[] = []
  let busy = false
  parentPort?.on('message', (request: NumberedRequest) => {
    waiting.push(request)
    if (busy) return
    busy = true
    // What has arrived with it is taken together with it.
    setImmediate(() => void serveAll())
  })

  async function serveAll(): Promise<void> {
    while (waiting.length > 0 && gate.enter()) {
      try {
        await serveNext()
      } finally {
        gate.leave()
      }
    }
    busy = false
  }

  async function serveNext(): Promise<void> {
    const appends = takeAppends(waiting)
    if (appends.length > 0) appendAll(handOut, appends)
    else await serveOne(lmdb, handOut, waiting.shift())
    await each(handOut, handOut.environments(), (environment) => environment.unmapWhenLarge())
  }
}

type Append = Extract<NumberedRequest, { what: 'append' }>

/** The appends that are next, as many as go into one transaction. */
function takeAppends(waiting: NumberedRequest[]): Append[] {
  const appends: Append[] = []
  let bytes = 0
  for (let next = waiting[0]; next?.what === 'append' && bytes < GROUP_BYTES; next = waiting[0]) {
    appends.push(next)
    bytes += next.events.bytes.byteLength
    waiting.shift()
  }
  return appends
}

function appendAll(handOut: HandOut, requests: readonly Append[]): void {
  let bytes = 0
  const fitting: { readonly id: number; readonly records: readonly Uint8Array[] }[] = []
  for (const { id, events } of requests) {
    const encoded = unpack(events)
    const more = encoded.reduce((sum, { byteLength }) => sum + spooledBytes(byteLength), 0)
    if (handOut.fits(bytes + more)) {
      bytes += more
      fitting.push({ id, records: sealRecords(encoded) })
    } else {
      respond({ id, refusal: 'full', message: 'the bound of the spool is reached' })
    }
  }
  try {
    const records = fitting.flatMap((request) => request.records)
    const keys = records.length === 0 ? [] : handOut.append(records)
    let at = 0
    for (const request of fitting) {
      answer(handOut, request.id, { keys: keys.slice(at, at + request.records.length) })
      at += request.records.length
    }
  } catch (error) {
    for (const { id } of fitting) respond({ id, refusal: 'unavailable', message: errorText(error) })
  }
}

async function serveOne(lmdb: Lmdb, handOut: HandOut, request: NumberedRequest | undefined): Promise<void> {
  if (request === undefined) return
  const { id } = request
  try {
    switch (request.what) {
      case 'next': {
        const out = handOut.next(request.limit)
        const events = pack(out.map(({ event }) => event))
        answer(handOut, id, { keys: out.map(({ key }) => key), events }, memoryOf(events))
        return
      }
      case 'remove':
        await each(handOut, handOut.remove(request.keys), (environment) => environment.close())
        break
      case 'putBack':
        handOut.putBack(request.keys)
        break
      case 'quarantine':
        handOut.quarantine(request.key, request.reason)
        break
      case 'takeOver':
        handOut.takeOver(new SpoolEnvironment(lmdb, request.path, request.counts))
        break
      case 'salvage':
        answer(handOut, id, { salvaged: salvage(handOut, request.path) })
        return
      case 'close':
        await each(handOut, handOut.environments(), (environment) => environment.close())
        answer(handOut, id)
        parentPort?.close()
        return
      case 'append':
        return
    }
    answer(handOut, id)
  } catch (error) {
    respond({ id, refusal: 'unavailable', message: errorText(error) })
  }
}

/** One that fails does not stop the others, and not the request: what was asked for is done. */
async function each(
  handOut: HandOut,
  environments: readonly SpoolEnvironment[],
  work: (environment: SpoolEnvironment) => Promise<void>,
): Promise<void> {
  for (const environment of environments) {
    await work(environment).catch((error: unknown) =>
      handOut.report(`${environment.path}: ${errorText(error)}`),
    )
  }
}

/** Copies what is intact in a damaged environment into the spool. @returns how many entries */
function salvage(handOut: HandOut, path: string): number {
  let salvaged = 0
  let records: Uint8Array[] = []
  const flush = (): void => {
    if (records.length > 0) handOut.salvage(records)
    salvaged += records.length
    records = []
  }
  for (const record of intactRecords(join(path, 'data.mdb'))) {
    records.push(record)
    if (records.length === SALVAGE_ROWS) flush()
  }
  flush()
  return salvaged
}

function greet(greeting: SpoolGreeting): void {
  parentPort?.postMessage(greeting)
}

function answer(
  handOut: HandOut,
  id: number,
  rest: Partial<SpoolAnswer> = {},
  transferred: readonly ArrayBuffer[] = [],
): void {
  respond({ id, status: handOut.status, faults: handOut.takeFaults(), ...rest }, transferred)
}

function respond(response: SpoolResponse, transferred: readonly ArrayBuffer[] = []): void {
  parentPort?.postMessage(response, transferred)
}
