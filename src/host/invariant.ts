/**
 * Asserts what only a mistake in this library can break. Who calls it is called by one of ours that is
 * {@link contained}, so a mistake never becomes an exception in the application.
 *
 * @throws Error that says so
 */
export function invariant(holds: unknown, what: string): asserts holds {
  if (!holds) throw new Error(`a bug in otel-audit, please report it: ${what}`)
}

/** From a state to those that may follow it. */
export type Moves<State extends string> = Readonly<Record<State, readonly State[]>>

/** The one way to change the state of a machine. @returns `to`, when it may follow `from` */
export function moved<State extends string>(
  what: string,
  moves: Moves<State>,
  from: State,
  to: State,
): State {
  // The text is made only when it is needed: this is called for every event.
  if (!moves[from].includes(to)) invariant(false, `${what} went from ${from} to ${to}`)
  return to
}
