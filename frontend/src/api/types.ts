/** Short names for the types that `npm run types` generates from the server's OpenAPI document. */
import type { components } from './schema';

type Schemas = components['schemas'];

export type Catalog = Schemas['CatalogResponse'];
export type Provider = Schemas['ProviderEntry'];
export type Model = Schemas['Model'];
export type Capabilities = Schemas['Capabilities'];
export type GalleryTool = Schemas['GalleryTool'];
export type FileLimits = Schemas['FileLimits'];
export type Sandbox = Schemas['TierReport'];
export type Answerer = Schemas['Answerer'];

export type GenerateRequest = Schemas['GenerateRequest'];
export type GenerateResponse = Schemas['GenerateResponse'];
export type ReadResponse = Schemas['ReadResponse'];
export type SpecFileResponse = Schemas['SpecFileResponse'];
export type ImportResponse = Schemas['ImportResponse'];
export type UpgradeResponse = Schemas['Upgrade'];
export type InspectRequest = Schemas['InspectRequest'];
export type InspectResponse = Schemas['InspectResponse'];
export type Conflict = Schemas['Conflict'];
export type Problem = Schemas['Problem'];

export type ExecuteRequest = Schemas['ExecuteRequest'];
export type RunAccepted = Schemas['RunAccepted'];
export type RunResponse = Schemas['RunResponse'];

export type Started = Schemas['StartedData'];
export type Output = Schemas['OutputData'];
export type ModelCall = Schemas['ModelCallData'];
export type Denied = Schemas['DeniedData'];
export type Limit = Schemas['LimitData'];
export type Exit = Schemas['ExitData'];
/** An event of a run: its data with its name as `type`. */
export type RunEvent =
  | (Started & { type: 'started' })
  | (Output & { type: 'output' })
  | (ModelCall & { type: 'model_call' })
  | (Denied & { type: 'denied' })
  | (Limit & { type: 'limit' })
  | (Exit & { type: 'exit' });
export type OwnServer = Schemas['OwnServer'];
