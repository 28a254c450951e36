import type { Combination } from './suite.js'
import { applicationSuite } from './suites/application.js'
import { CLI } from './suites/cli.js'

/** The two SDK lines: their peer ranges of the API are disjoint. */
const SDK_2 = [
  '@opentelemetry/api@~1.9.1',
  '@opentelemetry/sdk-node@^0.223.0',
  '@opentelemetry/auto-instrumentations-node@^0.81.0',
]
const SDK_3 = [
  '@opentelemetry/api@^1.10.0',
  '@opentelemetry/sdk-node@^0.301.0',
  '@opentelemetry/auto-instrumentations-node@^0.82.0',
]

const SERVICE = [applicationSuite('mjs'), applicationSuite('cjs'), CLI]

export const COMBINATIONS: readonly Combination[] = [
  { name: 'node-20', node: '20', packages: SDK_2, suites: SERVICE },
  { name: 'node-22', node: '22', packages: SDK_3, suites: SERVICE },
  { name: 'node-24', node: '24', packages: SDK_3, suites: SERVICE },
  { name: 'node-26', node: '26', packages: SDK_3, suites: SERVICE },
]
