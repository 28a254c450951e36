import type { Command } from 'commander'

/** What a command does, in a file of its own below `run/`. */
interface Runnable<Flags> {
  run(flags: Flags, command: Command): Promise<void>
}

/** The action of a command, loaded when it runs: help and most usage errors answer at once. */
export function lazily<Flags>(
  load: () => Promise<Runnable<Flags>>,
): (flags: Flags, command: Command) => Promise<void> {
  return async (flags, command) => {
    const runnable = await load()
    await runnable.run(flags, command)
  }
}
