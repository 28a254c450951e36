import { BroadcastChannel, threadId, Worker } from 'node:worker_threads'
import { afterEach, expect, it, onTestFinished } from 'vitest'
import { Threads } from '../../src/audit/threads.js'
import { useLogger } from '../../src/host/diagnostics.js'
import { waitUntil } from '../support/wait-until.js'

/** A thread of another version would speak like this. */
const CHANNEL = 'otel-audit.threads.v1'
const ANSWERS = `
  const { BroadcastChannel, threadId, parentPort } = require('node:worker_threads')
  const channel = new BroadcastChannel('${CHANNEL}')
  channel.onmessage = ({ data: { is, to, wish, question } }) => {
    if (is !== 'asked' || to !== threadId) return
    parentPort.postMessage(wish)
    if (process.env.HOW === 'ends') process.exit()
    if (process.env.HOW === 'answers') channel.postMessage({ is: 'answered', from: threadId, question })
  }
  channel.postMessage({ is: 'here', from: threadId })
  parentPort.postMessage('here')`
const HAS_NO_PIPELINE = `
  const { parentPort } = require('node:worker_threads')
  parentPort.on('message', () => {})
  parentPort.postMessage('here')`

interface Thread {
  /** What it was asked for. */
  readonly wishes: unknown[]
}

async function thread(code: string, how: 'answers' | 'is silent' | 'ends' = 'answers'): Promise<Thread> {
  const worker = new Worker(code, { eval: true, execArgv: [], env: { HOW: how } })
  onTestFinished(async () => void (await worker.terminate()))
  const said: unknown[] = []
  worker.on('message', (word: unknown) => said.push(word))
  const isHere = (): boolean => said.includes('here')
  await waitUntil('the thread', isHere)
  return {
    get wishes() {
      return said.filter((word) => word !== 'here')
    },
  }
}

const LONG_MS = 60_000
const errors: string[] = []
useLogger({ error: (message) => errors.push(message), warn: () => undefined })
afterEach(() => void errors.splice(0))

const fulfilled: string[] = []
const threads = new Threads(async (wish) => void fulfilled.push(wish))

/** What it says by its own channel may come later than its answer. */
async function asked(wish: 'flush' | 'close', of: Thread, timeoutMs = LONG_MS): Promise<unknown[]> {
  await waitUntil('it to be heard of', async () => {
    await threads.ask(wish, timeoutMs)
    return of.wishes.includes(wish)
  })
  return of.wishes
}

it('those below are asked, and have answered', async () => {
  const one = await thread(ANSWERS)
  const two = await thread(ANSWERS)
  expect(await asked('flush', one)).toContain('flush')
  expect(await asked('close', two)).toContain('close')
  expect(errors).toEqual([])
})

it('nobody is asked who has no pipeline, and nobody waited for', async () => {
  await thread(HAS_NO_PIPELINE)
  await threads.ask('close', LONG_MS)
  expect(errors).toEqual([])
})

it('one that ends is not waited for', async () => {
  const one = await thread(ANSWERS, 'ends')
  expect(await asked('close', one)).toEqual(['close'])
  expect(errors).toEqual([])
})

it('one that is silent is waited for as long as that may take, and it is said', async () => {
  const silent = await thread(ANSWERS, 'is silent')
  await asked('close', silent, 100)
  expect(errors[0]).toBe(
    'otel-audit: threads of this process that have not answered within 100 ms: 1. Async events that they have recorded may not be stored',
  )
})

it('what the thread above asks is done, and then answered', async () => {
  const above = new BroadcastChannel(CHANNEL)
  onTestFinished(() => above.close())
  const heard: unknown[] = []
  above.addEventListener('message', (event) => heard.push((event as MessageEvent).data))
  above.postMessage({ is: 'asked', to: threadId + 1, wish: 'close', question: 'of another' })
  above.postMessage({ is: 'asked', to: threadId, wish: 'flush', question: 'of this one' })
  await waitUntil('its answer', () => heard.length > 0)
  expect(heard).toEqual([{ is: 'answered', from: threadId, question: 'of this one' }])
  expect(fulfilled).toEqual(['flush'])
})
