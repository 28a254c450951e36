import { on } from 'node:events'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { Connection } from '../connection.js'
import { packError, type PackedError } from '../packed-error.js'
import { openSession, type SessionTarget } from '../session.js'
import { readCheckedRow } from './checked-row.js'
import { copyOut } from './copy-out.js'
import { type PackedRows, packRows } from './packed-rows.js'
import { watchOf } from './server-watch.js'
import { importSnapshot, type SharedSnapshot } from './shared-snapshot.js'

// The program of the second reader: rows of one COPY, hashed there, one batch for each message that asks.

/** What it is started with. The URL is a text here. */
export interface RowsOrder {
  readonly target: SessionTarget & { readonly databaseUrl: string }
  readonly snapshot: SharedSnapshot
  readonly sql: string
}

/** Batches, then the end or what went wrong. */
export type RowsAnswer = PackedRows | 'end' | { readonly error: PackedError }

async function serve(port: MessagePort, { target, snapshot, sql }: RowsOrder): Promise<RowsAnswer> {
  // From the start, so that no message is missed.
  const wanted = on(port, 'message')
  let session: Connection | undefined
  try {
    session = await openSession('verify', target)
    await importSnapshot(session, snapshot)
    for await (const batch of copyOut(session, sql, readCheckedRow, undefined, watchOf(target))) {
      await wanted.next()
      const packed = packRows(batch)
      port.postMessage(packed, [packed.memory])
    }
    return 'end'
  } catch (error) {
    return { error: packError(error) }
  } finally {
    await session?.close()
  }
}

async function run(port: MessagePort): Promise<void> {
  port.postMessage(await serve(port, workerData as RowsOrder))
  port.close()
}

if (parentPort !== null) void run(parentPort)
