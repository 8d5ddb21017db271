import { runLane } from './run-lane.ts'

await runLane()
