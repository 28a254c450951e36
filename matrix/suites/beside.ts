import { fakeProviders } from '../providers.js'
import type { Suite } from '../suite.js'
import { CLIENT_NAMES, clientApplication, REGISTER } from './clients.js'
import { readingSuite } from './reading.js'

/** A vendor's set-up in one process with ours. */
interface Vendor {
  readonly name: string
  readonly package: string
  readonly preload: string
  /** A file of `matrix/apps`, where the preload is one. */
  readonly file?: string
  readonly env?: Readonly<Record<string, string>>
}

const beside = (vendor: Vendor, order: 'before' | 'behind'): Suite => {
  const preload = ['--import', vendor.preload]
  return readingSuite(
    clientApplication('ESM', {
      name: `clients, ${vendor.name} ${order} us`,
      about: [vendor.package, ...CLIENT_NAMES],
      ...(vendor.env !== undefined && { env: vendor.env }),
      isTracedByOthers: true,
      async prepare({ consumer }) {
        await consumer.take('matrix/apps', 'clients.mjs', 'client-routes.mjs', 'serving.mjs')
        if (vendor.file !== undefined) await consumer.take('matrix/apps', vendor.file)
        return [
          ...(order === 'before' ? [...preload, ...REGISTER] : [...REGISTER, ...preload]),
          'clients.mjs',
        ]
      },
    }),
    fakeProviders,
  )
}

const both = (vendor: Vendor): readonly Suite[] => [beside(vendor, 'before'), beside(vendor, 'behind')]

export const BESIDE_SENTRY = both({
  name: 'Sentry',
  package: '@sentry/node',
  preload: './sentry.mjs',
  file: 'sentry.mjs',
})

export const BESIDE_DATADOG = both({
  name: 'Datadog',
  package: 'dd-trace',
  preload: 'dd-trace/initialize.mjs',
  env: { DD_INSTRUMENTATION_TELEMETRY_ENABLED: 'false', DD_TRACE_STARTUP_LOGS: 'false' },
})
