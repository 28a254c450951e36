// A preload that rewrites each text, as instrumentations do that add comments to them.
import { Client } from 'pg'

const original = Reflect.get(Client.prototype, 'query')
Client.prototype.query = function (config, ...rest) {
  const rewritten = (text) => `${text} /*rewritten*/`
  const given = typeof config === 'string' ? rewritten(config) : { ...config, text: rewritten(config.text) }
  return original.call(this, given, ...rest)
}
