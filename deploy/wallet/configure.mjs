// Writes the configurations of the wallet's regions and of the provider, once: existing ones stay.
import { existsSync } from 'node:fs'
import { makeFixture } from '../../build/examples/wallet/demo/fixture.js'
import { pathOf, writeClient, writeState } from './state.mjs'

if (!existsSync(pathOf('client'))) {
  const fixture = makeFixture({
    euCentral: 'http://wallet-eu-central:8080',
    usEast: 'http://wallet-us-east:8080',
    provider: 'http://provider:8080',
    nowhere: 'http://traffic:1', // Refused: nobody listens.
    silent: 'http://traffic:9009', // traffic.mjs accepts there, and never answers.
  })
  await writeState('eu-central', fixture.configs.euCentral)
  await writeState('us-east', fixture.configs.usEast)
  await writeState('provider', fixture.configs.provider)
  await writeClient(fixture)
}
