import { readHolds } from '../../archive/holds.js'
import { readRetirements } from '../../archive/retirement-state.js'
import { tellMarks } from './held-archives.js'
import { type HoldFlags, withHolds } from './hold-session.js'

export async function run(flags: HoldFlags): Promise<void> {
  const request = await withHolds(flags, false, async ({ schema, ask }) => {
    const active = (await ask((client) => readHolds(client, schema))).filter(
      ({ releasedAt }) => releasedAt === null,
    )
    const retirements = await ask((client) => readRetirements(client, schema))
    return { retirements, about: active, active }
  })
  await tellMarks(request)
}
