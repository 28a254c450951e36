import type { GuardFields, SecretAuditService } from 'otel-audit'
import type { Caller } from './config.js'
import { Denial, HttpError } from './denial.js'
import type { Call } from './http.js'
import { executionIds } from './parameters.js'

/** Adds to the event what becomes known while the attempt is under way. */
export type Amend = (more: Partial<GuardFields>) => void

/** The fields of an access that every surface knows before it begins. Bad ids are refused here, with 400. */
export function circumstances(call: Call, region: string, caller: Caller | undefined) {
  return {
    ...executionIds(call),
    serverRegion: region,
    actorId: caller?.id,
    actorType: caller?.type,
    sourceAddress: call.sourceAddress,
  }
}

/** The credential of the path. Any text will do: an unknown one is denied, and the denial is in the trail. */
export function credentialOf(call: Call): string {
  const id = call.params.id
  if (!id) throw new HttpError(400, 'The credential id is missing.')
  return id
}

/**
 * One attempt on one credential: exactly one audit event, whichever way it ends. The value that `attempt`
 * resolves comes out of here only when the record allows it.
 */
export async function access<T>(
  audit: SecretAuditService,
  fields: GuardFields,
  attempt: (amend: Amend) => Promise<T>,
): Promise<T> {
  return await audit.guard(fields, async (guarded) => {
    try {
      return await attempt((more) => guarded.amend(more))
    } catch (error) {
      if (error instanceof Denial && error.note !== undefined) guarded.amend({ notes: error.note })
      throw error
    }
  })
}
