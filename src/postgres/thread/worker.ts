import { parentPort } from 'node:worker_threads'
import { useLogger } from '../../host/diagnostics.js'
import { errorText } from '../../host/error-text.js'
import { invariant } from '../../host/invariant.js'
import type { SinkOwner } from '../../contract/sink.js'
import { PostgresAuditSink } from '../write/sink.js'
import {
  type LogLevel,
  type OwnerState,
  packBlock,
  type PackedOutcome,
  packedOutcome,
  packResult,
  type ThreadMessage,
  type ThreadOptions,
  type ThreadRequest,
  unpackBatch,
  unpackOutcome,
} from './protocol.js'

// The program of the writer thread: the sink that would otherwise be in the process, asked by messages.

function say(message: ThreadMessage): void {
  parentPort?.postMessage(message)
}

const log =
  (level: LogLevel) =>
  (message: string, ...details: readonly unknown[]): void =>
    say({ what: 'log', level, message, details: details.map(errorText) })

/** The writer as it was when something was last asked: what is lost later is said with the next batch. */
class RemoteOwner implements SinkOwner {
  #state: OwnerState = { serviceName: undefined, serviceInstanceId: undefined, lost: 0, continues: undefined }

  is(state: OwnerState): void {
    this.#state = state
  }

  get serviceName(): string | undefined {
    return this.#state.serviceName
  }

  get serviceInstanceId(): string | undefined {
    return this.#state.serviceInstanceId
  }

  get lost(): number {
    return this.#state.lost
  }

  get continues(): OwnerState['continues'] {
    return this.#state.continues
  }

  onBlock(block: Parameters<SinkOwner['onBlock']>[0]): void {
    say({ what: 'block', block: packBlock(block) })
  }

  onLostBlocks(lost: Parameters<SinkOwner['onLostBlocks']>[0]): void {
    say({ what: 'lost-blocks', lost })
  }
}

const owner = new RemoteOwner()
let sink: PostgresAuditSink | undefined
let urlsAsked = 0
const urlsDue = new Map<number, (url: PackedOutcome<string>) => void>()

async function urlOfProcess(): Promise<string> {
  const id = ++urlsAsked
  const url = new Promise<PackedOutcome<string>>((resolve) => urlsDue.set(id, resolve))
  say({ what: 'url', id })
  return unpackOutcome(await url)
}

function open({ databaseUrl, ...options }: ThreadOptions): void {
  sink = new PostgresAuditSink({ ...options, databaseUrl: databaseUrl ?? urlOfProcess })
  sink.attach(owner)
}

async function serve(request: ThreadRequest): Promise<void> {
  if (request.what === 'open') return open(request.options)
  if (request.what === 'url') {
    urlsDue.get(request.id)?.(request.url)
    urlsDue.delete(request.id)
    return
  }
  const { id } = request
  const opened = sink
  invariant(opened !== undefined, 'the first message has the options')
  owner.is(request.owner)
  if (request.what === 'write') {
    say({ what: 'written', id, result: packResult(await opened.write(unpackBatch(request.batch))) })
  } else if (request.what === 'check') {
    say({ what: 'checked', id, findings: await packedOutcome(() => opened.check()) })
  } else {
    await opened.close()
    say({ what: 'closed', id })
  }
}

useLogger({ error: log('error'), warn: log('warn'), debug: log('debug') })
// What is not foreseen ends the thread: the process then knows that a batch is of unknown fate.
parentPort?.on('message', (request: ThreadRequest) => void serve(request))
say({ what: 'ready' })
