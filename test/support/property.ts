/**
 * Properties, tried on the same inputs in every run, so that what lands does not depend on luck. To search for more:
 * `PROPERTY_SEED=random npm test`, or a number to see a found failure again.
 */
import fc from 'fast-check'

const given = process.env.PROPERTY_SEED ?? '4740265'
if (given !== 'random') fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(given) })

export { fc }
