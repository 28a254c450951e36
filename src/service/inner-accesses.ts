import type { AuditFields } from '../event/event.js'
import { Outcome } from '../event/vocabulary.js'
import type { GuardClaim, GuardedRows } from '../instrument/claim.js'

/** Most attributes of an event. */
const MOST_ATTRIBUTES = 32

interface Ended {
  readonly row: AuditFields
  readonly record: () => Promise<void>
}

/**
 * The accesses of secret clients inside of one guard. A single one with one row has none of its own: the guard's row is
 * its row, and says what it said. Of several, each has its row.
 */
export class InnerAccesses implements GuardClaim {
  #begun = 0
  #isSettled = false
  /** The single one, as long as it is the single one. */
  #held: Ended | undefined

  begin(): GuardedRows {
    this.#begun++
    return {
      ended: async (rows, record) => {
        const [row] = rows
        if (this.#begun === 1 && rows.length === 1 && row !== undefined && !this.#isSettled) {
          this.#held = { row, record }
          return
        }
        await this.#recordHeld()
        await record()
      },
    }
  }

  /**
   * The guarded code has ended.
   *
   * @param fields of the guard's row
   * @returns the same, with what is known from the access inside
   * @throws AuditError when the row of an access inside failed: what was guarded must not be released
   */
  async settled(fields: AuditFields): Promise<AuditFields> {
    this.#isSettled = true
    const held = this.#held
    if (held === undefined) return fields
    const isSameEnd = (held.row.outcome === Outcome.Ok) === (fields.outcome === Outcome.Ok)
    if (this.#begun > 1 || !isSameEnd) {
      await this.#recordHeld()
      return fields
    }
    this.#held = undefined
    return merged(fields, held.row)
  }

  async #recordHeld(): Promise<void> {
    const held = this.#held
    this.#held = undefined
    await held?.record()
  }
}

/** What the guard says goes first. */
function merged(fields: AuditFields, row: AuditFields): AuditFields {
  const own = fields.attributes ?? {}
  const accessed = row.credential === fields.credential ? {} : { accessed: row.credential }
  const added = Object.entries({ ...accessed, ...row.attributes }).filter(([key]) => !Object.hasOwn(own, key))
  return {
    ...fields,
    outcome: fields.outcome === Outcome.Other ? row.outcome : fields.outcome,
    serverRegion: fields.serverRegion ?? row.serverRegion,
    attributes: {
      ...own,
      ...Object.fromEntries(added.slice(0, Math.max(0, MOST_ATTRIBUTES - Object.keys(own).length))),
    },
  }
}
