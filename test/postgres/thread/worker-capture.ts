import { Worker } from 'node:worker_threads'

/** The threads of this process that were sent something, in the order of their first messages. */
export const threads: Worker[] = []

type Post = Worker['postMessage']
// oxlint-disable-next-line typescript/unbound-method -- it is called with its object
const original: Post = Worker.prototype.postMessage
let drop: (message: { what?: string }) => boolean = () => false

/** From now on messages to threads are noted, and those that `drops` names do not arrive. @returns undoes it */
export function captureThreads(drops: typeof drop = () => false): () => void {
  drop = drops
  threads.length = 0
  Worker.prototype.postMessage = function (this: Worker, ...args: Parameters<Post>): void {
    if (!threads.includes(this)) threads.push(this)
    if (!drop(args[0] as { what?: string })) original.apply(this, args)
  }
  return () => {
    Worker.prototype.postMessage = original
  }
}
