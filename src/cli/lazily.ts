import type { Command } from 'commander'
import { refuseUnmet } from '../host/requirements.js'

/** As for everything that could not be tried. */
const COULD_NOT_RUN = 2

/** What a command does, in a file of its own below `run/`. */
interface Runnable<Flags> {
  run(flags: Flags, command: Command): Promise<void>
}

/** The action of a command, loaded when it runs: help and most usage errors answer at once. */
export function lazily<Flags>(
  load: () => Promise<Runnable<Flags>>,
): (flags: Flags, command: Command) => Promise<void> {
  return async (flags, command) => {
    refuseUnmet(COULD_NOT_RUN)
    const runnable = await load()
    await runnable.run(flags, command)
  }
}
