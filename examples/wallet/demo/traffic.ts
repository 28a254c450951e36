import { type Branch, branches } from './branches.js'
import type { Reply, WalletClient } from './client.js'
import type { Stage } from './stage.js'

/** A branch that was taken: which execution it was sent for, and what came back. */
export interface Taken {
  readonly branch: Branch
  readonly executionId: bigint
  readonly reply: Reply
}

/** Above 2^53: what treats an id as a JavaScript number loses its last digits. */
const FIRST_EXECUTION = 2n ** 60n

/** Not the ones that wait for a time-out. */
const quick = branches.filter(({ credential }) => !['silent-token', 'tanker-feed'].includes(credential))
const everyday = quick.filter(({ status }) => status === 200)

/** How many requests are under way at one time. */
const CONCURRENCY = 4

export class Traffic {
  readonly #stage: Stage
  readonly #client: WalletClient
  #executions = 0n

  constructor(stage: Stage, client: WalletClient) {
    this.#stage = stage
    this.#client = client
  }

  async take(branch: Branch): Promise<Taken> {
    const executionId = FIRST_EXECUTION + ++this.#executions
    const { surface, credential, worker, sender } = branch
    const access = { surface, credential, sender, executionId, parentExecutionId: FIRST_EXECUTION }
    const reply = await this.#client.send(
      this.#stage.euCentral.url,
      worker === undefined ? access : { ...access, worker },
    )
    return { branch, executionId, reply }
  }

  /** Takes every branch once, and then `more` of an ordinary day. */
  async takeAll(more: number, progress: (done: number, all: number) => void): Promise<Taken[]> {
    const queue = [...branches, ...Array.from({ length: more }, ordinary)]
    const all = queue.length
    const taken: Taken[] = []
    const worker = async () => {
      for (let branch = queue.shift(); branch !== undefined; branch = queue.shift()) {
        taken.push(await this.take(branch))
        progress(taken.length, all)
      }
    }
    await Promise.all(Array.from({ length: CONCURRENCY }, worker))
    return taken
  }
}

/** Most accesses succeed. */
export function ordinary(): Branch {
  const pool = Math.random() < 0.85 ? everyday : quick
  const branch = pool[Math.floor(Math.random() * pool.length)]
  if (branch === undefined) throw new RangeError('there are no branches')
  return branch
}
