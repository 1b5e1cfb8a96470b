// Generated from the OpenAPI document by `npm run types`. Do not edit.

export interface paths {
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Metrics
         * @description Return the metrics in Prometheus's text format.
         */
        get: operations["get_metrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/catalog": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Catalog
         * @description Return providers and models, backends, the sandbox, limits on files, and gallery tools.
         */
        get: operations["get_catalog"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/generate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Generate Agent
         * @description Generate an agent file; with `base`, update the fields of a manually edited file.
         *
         *     409 `conflict` lists the conflicts between changed fields and manual edits.
         */
        post: operations["generate_agent"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/inspect": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Inspect Form
         * @description Inspect an unfinished form; no code is parsed as Python or executed.
         *
         *     Returns the names of its tools, the hosts that it needs, and the model that answers.
         */
        post: operations["inspect_form"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/read": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Read Agent File
         * @description Return the spec of an agent file, and the manual edits in it; the file is not run.
         *
         *     For a spec file (see `filename`), return its fields, even if they are not complete or not valid
         *     yet, and list those that a form can't show. 422 `invalid_request` at `code` if it is neither
         *     YAML nor JSON, is not a mapping of fields, or has more than 100 keys.
         */
        post: operations["read_agent_file"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/import": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Import Program
         * @description Convert an agent of OpenAI's Agents SDK to a spec; the program is not run.
         *
         *     `agents` lists all agents of the program; `agent` in the request chooses one of them.
         */
        post: operations["import_program"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/upgrade": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Upgrade Agent File
         * @description Return the lifecycle of a file's model, and the file moved to each of its successors.
         *
         *     With `to`, only to that model. 422 `not_ours` if the model is not a plain literal.
         */
        post: operations["upgrade_agent_file"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/spec-schema": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Spec Schema
         * @description Return the JSON Schema of spec files, for editors and other programs.
         */
        get: operations["get_spec_schema"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/execute": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Execute
         * @description Run a program and wait for its end. If the client disconnects, the run is cancelled.
         *
         *     If the program fails, the answer is HTTP 200 with `status: "error"`. HTTP errors mean that the
         *     server failed or refused.
         */
        post: operations["execute"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List Runs
         * @description Return runs, newest first; `next` is the `before` of the next page, or null.
         */
        get: operations["list_runs"];
        put?: never;
        /**
         * Create Run
         * @description Start a run and return its id; `/api/runs/{run_id}/events` follows it.
         */
        post: operations["create_run"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runs/{run_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Run
         * @description Return one run with its code, its task, and the names and sizes of its files.
         */
        get: operations["get_run"];
        put?: never;
        post?: never;
        /**
         * Cancel Run
         * @description Cancel a run. 204: all of its processes have ended; 503: some could not be killed.
         */
        delete: operations["cancel_run"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runs/{run_id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Run Events
         * @description Stream the events of a run until it ends; `Last-Event-ID` resumes after that event.
         */
        get: operations["get_run_events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runs/{run_id}/cassette": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Run Cassette
         * @description Return the recorded model calls of a run, for `replay` in a later request.
         */
        get: operations["get_run_cassette"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runs/{run_id}/files/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Run File
         * @description Return a file that a run wrote, as a download that browsers don't display.
         */
        get: operations["get_run_file"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Sign In
         * @description Save the access token in a cookie that scripts can't read.
         */
        post: operations["sign_in"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/healthz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Health
         * @description Return the state of the server, and for each component "ok" or the problem.
         *
         *     `status` is `ok` or `degraded` (200), or `failing` (503). Only callers with access see details.
         */
        get: operations["get_health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /**
         * AgentSpec
         * @description One agent, as the form, the API, the command line and spec files give it.
         *
         *     Same spec, same bytes: nothing else enters a generated file. What may be left out gives, when
         *     left out, the plain agent.
         * @example {
         *       "model": "claude-sonnet-5-5",
         *       "name": "Greeter",
         *       "prompt": "You greet people in one short sentence.",
         *       "provider": "anthropic",
         *       "stream": false,
         *       "task": "Say hello to a new user."
         *     }
         */
        AgentSpec: {
            /**
             * Name
             * @description The agent's name; the class is named after it.
             */
            name: string;
            /**
             * Text
             * @description The system prompt.
             */
            prompt: string;
            /**
             * Text
             * @description The example task, used when the file is run without one.
             */
            task: string;
            /** @description The provider whose API the agent calls. */
            provider: components["schemas"]["ProviderEnum"];
            /**
             * Model
             * @description The provider's ID of the model.
             */
            model: string;
            /**
             * Base Url
             * @description Base URL of your own server (Ollama, vLLM, llama.cpp, Inference Endpoints) (default: the provider's API).
             */
            base_url?: string | null;
            /**
             * Stream
             * @description Show the answer while it is generated.
             * @default false
             */
            stream: boolean;
            /**
             * Tools
             * @description Python functions that the model can call.
             * @default []
             */
            tools: components["schemas"]["ToolSpec"][];
            /**
             * Answer
             * @description The type of the answer: Pydantic models (the last class) or a JSON Schema.
             */
            answer?: string | null;
            /**
             * Chat
             * @description Add a --chat option for conversations.
             * @default false
             */
            chat: boolean;
            /**
             * Max Tokens
             * @description Max output tokens per response.
             * @default 4096
             */
            max_tokens: number;
            /**
             * Thinking
             * @description Whether the model thinks before it answers (default: the model's default).
             */
            thinking?: ("adaptive" | "disabled" | "between_tools") | null;
            /**
             * Effort
             * @description How much effort the model makes (default: the model's default).
             */
            effort?: ("low" | "medium" | "high" | "xhigh" | "max") | null;
            /**
             * Stop Sequences
             * @description Texts at which generation stops.
             * @default []
             */
            stop_sequences: string[];
            /**
             * Cache Prompt
             * @description Cache the beginning of requests at the provider.
             * @default false
             */
            cache_prompt: boolean;
            /**
             * Mcp Servers
             * @description MCP servers whose tools the model can call.
             * @default []
             */
            mcp_servers: components["schemas"]["McpServer"][];
            /**
             * Max Turns
             * @description Max model calls per task, for agents with tools.
             * @default 10
             */
            max_turns: number;
            /**
             * Token Budget
             * @description Max input and output tokens per task, for agents with tools.
             */
            token_budget?: number | null;
            /**
             * Timeout S
             * @description Timeout per model call, in seconds (default: the SDK's default).
             */
            timeout_s?: number | null;
            /**
             * Retries
             * @description Retries per failed model call.
             * @default 2
             */
            retries: number;
            /**
             * Usage
             * @description Print the tokens used on stderr, and add a --json option.
             * @default false
             */
            usage: boolean;
        };
        /**
         * Answerer
         * @description The provider's API, or one of the user's own model servers.
         */
        Answerer: {
            /**
             * Own
             * @description Whether it is the user's own server.
             */
            own: boolean;
            /**
             * Name
             * @description Name such as "Anthropic API", or "your server http://127.0.0.1:11434/v1".
             */
            name: string;
            /**
             * Reason
             * @description Why it can't answer; None if it can.
             */
            reason: string | null;
        };
        /**
         * BackendEntry
         * @description A backend that can answer runs.
         */
        BackendEntry: {
            /**
             * Id
             * @enum {string}
             */
            id: "provider" | "local" | "replay";
            /** Label */
            label: string;
            /** Available */
            available: boolean;
            /**
             * Reason
             * @description Why it is not available.
             */
            reason: string | null;
            /**
             * Max Output Tokens
             * @description Its limit of each response; null where the model's own applies.
             */
            max_output_tokens: number | null;
        };
        /**
         * BinaryFile
         * @description A file that the program wrote, if it is not text.
         */
        BinaryFile: {
            /** Name */
            name: string;
            /** Size */
            size: number;
            /** Base64 */
            base64: string;
        };
        /**
         * BudgetBody
         * @description What one run may use; the server's own caps apply as well.
         */
        BudgetBody: {
            /**
             * Usd
             * @description US dollars.
             */
            usd?: number | null;
            /**
             * Tokens
             * @description Tokens, in and out.
             */
            tokens?: number | null;
            /**
             * Calls
             * @description Model calls.
             */
            calls?: number | null;
        };
        /**
         * BudgetData
         * @description A budget that a model call exceeded.
         */
        BudgetData: {
            /**
             * Time
             * @description Seconds since the run started.
             */
            time: number;
            /**
             * Kind
             * @description Such as cpu, wall, memory, processes, scratch, output, budget, recording.
             * @constant
             */
            kind: "budget";
            /** Message */
            message: string;
            /**
             * Cap
             * @description The exceeded cap: of the run or the day, in dollars, tokens or calls; as in run_usd.
             */
            cap: string;
        };
        /**
         * Capabilities
         * @description The capabilities of a model. None means unknown; an empty tuple means not supported.
         */
        Capabilities: {
            /**
             * Max Output Tokens
             * @description The maximum of `max_tokens`.
             */
            max_output_tokens: number | null;
            /**
             * Thinking
             * @description The values of `THINKING` that the API accepts; only adaptive if the model always thinks.
             */
            thinking: string[] | null;
            /**
             * Effort
             * @description The values of `EFFORTS` that the API accepts.
             */
            effort: string[] | null;
            /**
             * Effort Without Thinking
             * @description The values accepted together with `disabled` or `between_tools`.
             */
            effort_without_thinking: string[] | null;
            /**
             * Typed Answers
             * @description Whether answers can be constrained to a schema.
             */
            typed_answers: boolean | null;
            /** Tools */
            tools: boolean | null;
            /**
             * Prompt Caching
             * @description Whether prompt caching is available; False if unknown.
             * @default false
             */
            prompt_caching: boolean;
        };
        /**
         * Cassette
         * @description A run's calls, in the order in which they began.
         */
        Cassette: {
            /**
             * Format
             * @default 1
             */
            format: number;
            /**
             * Calls
             * @default []
             */
            calls: components["schemas"]["RecordedCall"][];
        };
        /**
         * CassetteAnswer
         * @description A recorded answer.
         */
        CassetteAnswer: {
            /** Status */
            status: number;
            /** Headers */
            headers: {
                [key: string]: string;
            };
            /** Chunks */
            chunks: (string | components["schemas"]["CassetteChunk"])[];
            /**
             * Cut
             * @description Whether the answer broke off after its last chunk.
             */
            cut: boolean;
        };
        /**
         * CassetteCall
         * @description One recorded model call.
         */
        CassetteCall: {
            provider: components["schemas"]["ProviderEnum"];
            request: components["schemas"]["CassetteRequest"];
            response: components["schemas"]["CassetteAnswer"];
        };
        /**
         * CassetteChunk
         * @description A chunk that is not UTF-8 text.
         */
        CassetteChunk: {
            /** Base64 */
            base64: string;
        };
        /**
         * CassetteRequest
         * @description A recorded request to a model API.
         */
        CassetteRequest: {
            /** Method */
            method: string;
            /** Path */
            path: string;
            /**
             * Body
             * @description A JSON value; text, if the body was not JSON.
             */
            body: unknown;
        };
        /**
         * CassetteResponse
         * @description The recorded model calls of a run, to be sent as `replay`.
         */
        CassetteResponse: {
            /**
             * Format
             * @constant
             */
            format: 1;
            /** Calls */
            calls: components["schemas"]["CassetteCall"][];
        };
        /**
         * CatalogResponse
         * @description What this server offers.
         */
        CatalogResponse: {
            /** Providers */
            providers: components["schemas"]["ProviderEntry"][];
            /** Backends */
            backends: components["schemas"]["BackendEntry"][];
            sandbox: components["schemas"]["TierReport"];
            files: components["schemas"]["FileLimits"];
            egress: components["schemas"]["EgressEntry"];
            /**
             * Tools
             * @description Gallery tools that an agent can be given.
             */
            tools: components["schemas"]["GalleryTool"][];
            defaults: components["schemas"]["SpecDefaults"];
            /**
             * Code Max Bytes
             * @description Limit of an agent file.
             */
            code_max_bytes: number;
        };
        /**
         * Conflict
         * @description Lines of a hand-edited file that a changed field would have to change too.
         */
        Conflict: {
            /** First Line */
            first_line: number;
            /** Last Line */
            last_line: number;
            /** Text */
            text: string;
            /**
             * Reason
             * @description The conflicting part, and what to do.
             */
            reason: string;
        };
        /**
         * ConflictResponse
         * @description Changed fields that conflict with manual edits of the file; nothing was changed.
         */
        ConflictResponse: {
            /** Detail */
            detail: string;
            /**
             * Code
             * @constant
             */
            code: "conflict";
            /** Conflicts */
            conflicts: components["schemas"]["Conflict"][];
        };
        /**
         * DeniedData
         * @description An access that the sandbox or the gateway denied to the program.
         */
        DeniedData: {
            /**
             * Time
             * @description Seconds since the run started.
             */
            time: number;
            /**
             * Kind
             * @enum {string}
             */
            kind: "network" | "file" | "call";
            /** Message */
            message: string;
        };
        /**
         * DeniedEvent
         * @description An access was denied to the program.
         */
        DeniedEvent: {
            /**
             * Id
             * @description Number of the event in its run, from 1; sent as `Last-Event-ID`, it resumes the stream.
             */
            id: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            event: "denied";
            data: components["schemas"]["DeniedData"];
        };
        /**
         * DraftServer
         * @description An MCP server as typed so far.
         */
        DraftServer: {
            /**
             * Name
             * @default
             */
            name: string;
            /**
             * Url
             * @default
             */
            url: string;
        };
        /**
         * Edit
         * @description A manual edit with its lines, counted from 1, both ends included.
         *
         *     Removed lines have their original text, at the position of the line that now follows them.
         */
        Edit: {
            /**
             * Kind
             * @enum {string}
             */
            kind: "added" | "changed" | "removed";
            /** First Line */
            first_line: number;
            /** Last Line */
            last_line: number;
            /** Text */
            text: string;
        };
        /**
         * EgressEntry
         * @description Hosts that runs can be allowed to reach.
         */
        EgressEntry: {
            /** Allowed */
            allowed: string[];
        };
        /**
         * ErrorResponse
         * @description An error. `detail` is a message for people, `code` is for programs.
         */
        ErrorResponse: {
            /** Detail */
            detail: string;
            /**
             * Code
             * @enum {string}
             */
            code: "backend_unavailable" | "bad_request" | "bug" | "busy" | "conflict" | "file_not_found" | "host_not_allowed" | "invalid_request" | "json_only" | "machinery_failed" | "method_not_allowed" | "not_compressed" | "not_found" | "not_ours" | "origin_not_allowed" | "queue_full" | "readers_busy" | "run_elsewhere" | "run_not_found" | "sandbox_unavailable" | "store_unavailable" | "token_missing" | "token_required" | "too_large";
        };
        /**
         * ExecuteRequest
         * @description A program to run in the sandbox, as `agent.py --task TASK`.
         */
        ExecuteRequest: {
            /**
             * Code
             * @description Python source, at most 1 MiB.
             */
            code: string;
            /**
             * Task
             * @description The task, at most 100 KiB.
             */
            task: string;
            /**
             * Backend
             * @description Which model answers.
             * @default auto
             * @enum {string}
             */
            backend: "auto" | "provider" | "local";
            limits?: components["schemas"]["LimitsBody"];
            budget?: components["schemas"]["BudgetBody"];
            /**
             * Egress
             * @description Hosts that the program may reach, as HOST:PORT; or provider-tools.
             * @default []
             */
            egress: string[];
            /**
             * Record
             * @description Whether to record the model calls.
             * @default false
             */
            record: boolean;
            /**
             * Replay
             * @description A cassette that answers the model calls.
             */
            replay?: {
                [key: string]: unknown;
            } | null;
            /**
             * Files
             * @description Placed beside agent.py: at most 64 files with 4 MiB in all.
             * @default []
             */
            files: components["schemas"]["GivenFile"][];
        };
        /**
         * ExecuteResponse
         * @description How a run ended, and its output. A failed program is `status: "error"`.
         */
        ExecuteResponse: {
            /**
             * Status
             * @enum {string}
             */
            status: "queued" | "running" | "success" | "error" | "timeout" | "limit" | "cancelled" | "failed";
            /**
             * Output
             * @description Both streams in order of arrival.
             */
            output: string;
            /** Stdout */
            stdout: string;
            /** Stderr */
            stderr: string;
            /** Returncode */
            returncode: number | null;
            /** Reason */
            reason: string | null;
            /** Duration */
            duration: number | null;
            /** Time To First Output */
            time_to_first_output: number | null;
            usage: components["schemas"]["Usage"] | null;
            /** Cost Usd */
            cost_usd: number | null;
            /** Run Id */
            run_id: string;
            /**
             * Backend
             * @enum {string}
             */
            backend: "provider" | "local" | "replay";
            /**
             * Cassette
             * @description The recorded model calls, if `record` was set.
             */
            cassette: {
                [key: string]: unknown;
            } | null;
            /**
             * Recording Full
             * @description Why they are left out, if they exceed the limits of a recording.
             */
            recording_full: string | null;
            /**
             * Denied
             * @description What the sandbox refused last, and how to fix that.
             */
            denied: string | null;
            /**
             * Budget
             * @description Which cap ended the run and why, if `reason` is "budget".
             */
            budget: string | null;
            /**
             * Stopped Early
             * @description Whether the agent stopped early (exit code 3): at one of its own limits, or because the model
             *     refused or its context window is full.
             * @default false
             */
            stopped_early: boolean;
            /**
             * Missing
             * @description What the agent's gallery tools need and the run was not given.
             * @default []
             */
            missing: string[];
            /**
             * Files
             * @description Regular files that the program wrote or changed: at most 64 with 4 MiB in all.
             */
            files: (components["schemas"]["TextFile"] | components["schemas"]["BinaryFile"])[];
            /** Files Left Out */
            files_left_out: components["schemas"]["LeftOut"][];
        };
        /**
         * ExitData
         * @description The end of a run: always the last event.
         *
         *     If the server stopped before it could save this event, only the fields in the history are sent:
         *     at least `status`.
         */
        ExitData: {
            /**
             * Status
             * @enum {string}
             */
            status: "queued" | "running" | "success" | "error" | "timeout" | "limit" | "cancelled" | "failed";
            /**
             * Returncode
             * @default null
             */
            returncode: number | null;
            /**
             * Duration
             * @default null
             */
            duration: number | null;
            /**
             * Time To First Output
             * @default null
             */
            time_to_first_output: number | null;
            /** @default null */
            usage: components["schemas"]["Usage"] | null;
            /**
             * Cost Usd
             * @default null
             */
            cost_usd: number | null;
            /**
             * Files
             * @default []
             */
            files: components["schemas"]["RunFile"][];
            /**
             * Files Left Out
             * @default []
             */
            files_left_out: components["schemas"]["LeftOut"][];
            /**
             * Reason
             * @default null
             */
            reason: string | null;
            /**
             * Time
             * @description Seconds since the run started.
             * @default null
             */
            time: number | null;
            /**
             * Interrupted
             * @description Whether it failed because its server stopped.
             * @default false
             */
            interrupted: boolean;
            /**
             * Stopped Early
             * @description Whether the agent stopped early (exit code 3): at one of its own limits, or because the model
             *     refused or its context window is full.
             * @default false
             */
            stopped_early: boolean;
        };
        /**
         * ExitEvent
         * @description The run ended.
         */
        ExitEvent: {
            /**
             * Id
             * @description Number of the event in its run, from 1; sent as `Last-Event-ID`, it resumes the stream.
             */
            id: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            event: "exit";
            data: components["schemas"]["ExitData"];
        };
        /**
         * FileLimits
         * @description Limits on the files that a run is given, and on those that it returns.
         */
        FileLimits: {
            /** Max Count */
            max_count: number;
            /**
             * Max Bytes
             * @description Of all files together.
             */
            max_bytes: number;
            /**
             * Reserved Names
             * @description Names in the program's folder that are taken.
             */
            reserved_names: string[];
        };
        /**
         * GalleryTool
         * @description A gallery tool.
         */
        GalleryTool: {
            /**
             * Id
             * @description The function's name.
             */
            id: string;
            /** Label */
            label: string;
            /**
             * Description
             * @description One line for people; the model reads the docstring.
             */
            description: string;
            /**
             * Needs
             * @description What a run must provide for it: files in its folder, or allowed hosts.
             */
            needs: ("files" | "hosts") | null;
            /**
             * Code
             * @description The canonical source, from `tool_code.parse_tool`.
             */
            code: string;
        };
        /**
         * GenerateRequest
         * @description An agent to write. Writing it checks the model against the catalog.
         * @example {
         *       "model": "claude-sonnet-5-5",
         *       "name": "Greeter",
         *       "prompt": "You greet people in one short sentence.",
         *       "provider": "anthropic",
         *       "stream": false,
         *       "task": "Say hello to a new user."
         *     }
         */
        GenerateRequest: {
            /**
             * Name
             * @description The agent's name; the class is named after it.
             */
            name: string;
            /**
             * Text
             * @description The system prompt.
             */
            prompt: string;
            /**
             * Text
             * @description The example task, used when the file is run without one.
             */
            task: string;
            /** @description The provider whose API the agent calls. */
            provider: components["schemas"]["ProviderEnum"];
            /**
             * Model
             * @description The provider's ID of the model.
             */
            model: string;
            /**
             * Base Url
             * @description Base URL of your own server (Ollama, vLLM, llama.cpp, Inference Endpoints) (default: the provider's API).
             */
            base_url?: string | null;
            /**
             * Stream
             * @description Show the answer while it is generated.
             * @default false
             */
            stream: boolean;
            /**
             * Tools
             * @description Python functions that the model can call.
             * @default []
             */
            tools: components["schemas"]["ToolSpec"][];
            /**
             * Answer
             * @description The type of the answer: Pydantic models (the last class) or a JSON Schema.
             */
            answer?: string | null;
            /**
             * Chat
             * @description Add a --chat option for conversations.
             * @default false
             */
            chat: boolean;
            /**
             * Max Tokens
             * @description Max output tokens per response.
             * @default 4096
             */
            max_tokens: number;
            /**
             * Thinking
             * @description Whether the model thinks before it answers (default: the model's default).
             */
            thinking?: ("adaptive" | "disabled" | "between_tools") | null;
            /**
             * Effort
             * @description How much effort the model makes (default: the model's default).
             */
            effort?: ("low" | "medium" | "high" | "xhigh" | "max") | null;
            /**
             * Stop Sequences
             * @description Texts at which generation stops.
             * @default []
             */
            stop_sequences: string[];
            /**
             * Cache Prompt
             * @description Cache the beginning of requests at the provider.
             * @default false
             */
            cache_prompt: boolean;
            /**
             * Mcp Servers
             * @description MCP servers whose tools the model can call.
             * @default []
             */
            mcp_servers: components["schemas"]["McpServer"][];
            /**
             * Max Turns
             * @description Max model calls per task, for agents with tools.
             * @default 10
             */
            max_turns: number;
            /**
             * Token Budget
             * @description Max input and output tokens per task, for agents with tools.
             */
            token_budget?: number | null;
            /**
             * Timeout S
             * @description Timeout per model call, in seconds (default: the SDK's default).
             */
            timeout_s?: number | null;
            /**
             * Retries
             * @description Retries per failed model call.
             * @default 2
             */
            retries: number;
            /**
             * Usage
             * @description Print the tokens used on stderr, and add a --json option.
             * @default false
             */
            usage: boolean;
            /**
             * Base
             * @description A manually edited agent file whose edits are preserved.
             */
            base?: string | null;
        };
        /**
         * GenerateResponse
         * @description A written agent.
         */
        GenerateResponse: {
            /**
             * Status
             * @default success
             * @constant
             */
            status: "success";
            /** Message */
            message: string;
            /** Code */
            code: string;
            /** Filename */
            filename: string;
            /**
             * Warnings
             * @description Sentences, for example on a retired model.
             * @default []
             */
            warnings: string[];
            /**
             * Kept
             * @description The manual edits of `base`, at their new lines.
             * @default []
             */
            kept: components["schemas"]["HandWritten"][];
            /**
             * Needs
             * @description What a run must be given for the agent's gallery tools: files, or hosts to reach.
             * @default []
             */
            needs: components["schemas"]["Need"][];
        };
        /**
         * GivenFile
         * @description A file placed in the program's folder before it starts, as either `text` or `base64`.
         */
        GivenFile: {
            /**
             * Name
             * @description A relative name; its folders are created.
             */
            name: string;
            /** Text */
            text?: string | null;
            /** Base64 */
            base64?: string | null;
        };
        /**
         * Granted
         * @description The files and hosts that a run may use.
         */
        Granted: {
            /**
             * Files
             * @description Names of its input files.
             */
            files: string[];
            /**
             * Hosts
             * @description The hosts that it may reach as HOST:PORT, and provider-tools.
             */
            hosts: string[];
        };
        /**
         * HandWritten
         * @description A manual edit of a file: lines counted from 1, both ends included.
         */
        HandWritten: {
            /**
             * Kind
             * @enum {string}
             */
            kind: "added" | "changed" | "removed";
            /** First Line */
            first_line: number;
            /** Last Line */
            last_line: number;
        };
        /**
         * HealthComponents
         * @description The state of each component: "ok", or what is wrong with it.
         */
        HealthComponents: {
            /** Store */
            store: string;
            /** Sandbox */
            sandbox: string;
            /** Local Model */
            local_model: string;
            /** Budget */
            budget: string;
        };
        /**
         * HealthResponse
         * @description Whether the server works: `failing` means that no run can be started or saved.
         */
        HealthResponse: {
            /**
             * Status
             * @enum {string}
             */
            status: "ok" | "degraded" | "failing";
            components: components["schemas"]["HealthComponents"];
            /**
             * Sandbox Tier
             * @description The sandbox tier of this server.
             */
            sandbox_tier: string;
        };
        /**
         * IgnoredField
         * @description A field of a spec that a form can't show.
         */
        IgnoredField: {
            /** Field */
            field: string;
            /**
             * Problem
             * @description Why, after the path of the part that is wrong: "mcp_servers.0.name: missing".
             */
            problem: string;
        };
        /**
         * ImportRequest
         * @description A program of OpenAI's Agents SDK. It is read and never run.
         */
        ImportRequest: {
            /** Code */
            code: string;
            /**
             * @description The provider whose default model replaces the program's.
             * @default anthropic
             */
            provider: components["schemas"]["ProviderEnum"];
            /**
             * Agent
             * @description Which agent to import, if there are several.
             */
            agent?: string | null;
        };
        /**
         * ImportResponse
         * @description The result of importing a program of OpenAI's Agents SDK.
         */
        ImportResponse: {
            /**
             * Spec
             * @description The fields of an `AgentSpec` that were found.
             */
            spec: {
                [key: string]: unknown;
            };
            /** Report */
            report: components["schemas"]["ImportedLine"][];
            /**
             * Agents
             * @description The names of all agents in the program; one of them was imported.
             */
            agents: string[];
        };
        /**
         * ImportedLine
         * @description How one part of a program was imported.
         */
        ImportedLine: {
            /** Line */
            line: number;
            /** What */
            what: string;
            /**
             * Carried
             * @description Whether the part is in the spec.
             */
            carried: boolean;
            /**
             * Note
             * @description What the user must know or do; may be empty.
             */
            note: string;
        };
        /**
         * InspectRequest
         * @description The parts of an unfinished form that its notes depend on; they need not be valid.
         *
         *     A text that is longer than a spec allows is treated as empty.
         */
        InspectRequest: {
            provider: components["schemas"]["ProviderEnum"];
            /**
             * Base Url
             * @default
             */
            base_url: string;
            /**
             * Tools
             * @default []
             */
            tools: string[];
            /**
             * Answer
             * @default
             */
            answer: string;
            /**
             * Mcp Servers
             * @default []
             */
            mcp_servers: components["schemas"]["DraftServer"][];
        };
        /**
         * InspectResponse
         * @description The facts for the notes of a form.
         */
        InspectResponse: {
            /** @description For the typed address; null if there is none, or it is not a valid address yet. */
            answerer: components["schemas"]["Answerer"] | null;
            /**
             * Tools
             * @description In the order of the request.
             */
            tools: components["schemas"]["Outline"][];
            /**
             * Answer Name
             * @description The name of the answer's type.
             */
            answer_name: string | null;
            /** Hosts */
            hosts: components["schemas"]["WantedHost"][];
            /**
             * Need Files
             * @description Tools that probably read files.
             */
            need_files: string[];
            /**
             * Need Hosts
             * @description Tools that probably use the network without listing hosts.
             */
            need_hosts: string[];
        };
        /**
         * InvalidRequestResponse
         * @description An invalid request, with up to 20 of its problems.
         */
        InvalidRequestResponse: {
            /** Detail */
            detail: components["schemas"]["Problem"][];
            /**
             * Code
             * @constant
             */
            code: "invalid_request";
        };
        /**
         * Layer
         * @description One layer of isolation: active or not, and if not, why.
         */
        Layer: {
            /** Name */
            name: string;
            /** Active */
            active: boolean;
            /** Reason */
            reason: string | null;
            /**
             * Summary
             * @description What it does, for people.
             * @default
             */
            summary: string;
        };
        /**
         * LeftOut
         * @description Files of the program that aren't returned: the reason, and how many there are at least.
         */
        LeftOut: {
            /** Reason */
            reason: string;
            /** Count */
            count: number;
        };
        /**
         * Lifecycle
         * @description The lifecycle of a model on the catalog's date.
         * @enum {string}
         */
        Lifecycle: "current" | "deprecated" | "retired";
        /**
         * LimitData
         * @description A limit that the run reached.
         */
        LimitData: {
            /**
             * Time
             * @description Seconds since the run started.
             */
            time: number;
            /**
             * Kind
             * @description Such as cpu, wall, memory, processes, scratch, output, budget, recording.
             */
            kind: string;
            /** Message */
            message: string;
        };
        /**
         * LimitEvent
         * @description A limit or a budget was reached.
         */
        LimitEvent: {
            /**
             * Id
             * @description Number of the event in its run, from 1; sent as `Last-Event-ID`, it resumes the stream.
             */
            id: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            event: "limit";
            /** Data */
            data: components["schemas"]["BudgetData"] | components["schemas"]["LimitData"];
        };
        /**
         * Limits
         * @description The limits of one run. CPU, memory, processes and scratch apply to its whole process tree.
         */
        Limits: {
            /**
             * Cpu S
             * @default 30
             */
            cpu_s: number;
            /**
             * Wall S
             * @default 60
             */
            wall_s: number;
            /**
             * Memory Mib
             * @default 512
             */
            memory_mib: number;
            /**
             * Processes
             * @description Processes and threads, not counting the program's first one.
             * @default 64
             */
            processes: number;
            /**
             * Scratch Mib
             * @default 64
             */
            scratch_mib: number;
            /**
             * Output Kib
             * @description Limit on each of the two output streams.
             * @default 1024
             */
            output_kib: number;
        };
        /**
         * LimitsBody
         * @description Limits of one run, within the ranges that the server sets.
         */
        LimitsBody: {
            /**
             * Cpu S
             * @default 30
             */
            cpu_s: number;
            /**
             * Wall S
             * @default 60
             */
            wall_s: number;
            /**
             * Memory Mib
             * @default 512
             */
            memory_mib: number;
            /**
             * Processes
             * @default 64
             */
            processes: number;
            /**
             * Scratch Mib
             * @default 64
             */
            scratch_mib: number;
            /**
             * Output Kib
             * @default 1024
             */
            output_kib: number;
        };
        /**
         * McpServer
         * @description An MCP server whose tools the agent may use: a command (stdio) or a URL (streamable HTTP).
         */
        McpServer: {
            /**
             * Name
             * @description What messages call it.
             */
            name: string;
            /**
             * Command
             * @description The program to start, with its arguments.
             * @default []
             */
            command: string[];
            /**
             * Url
             * @description Where the server answers by HTTP.
             */
            url?: string | null;
            /**
             * Env
             * @description Names of environment variables that the program is given.
             * @default []
             */
            env: string[];
        };
        /**
         * MissingNeed
         * @description Something that the agent's tools need and the run does not have.
         */
        MissingNeed: {
            /**
             * Tool
             * @description Empty if it concerns all tools.
             */
            tool: string;
            /**
             * Kind
             * @enum {string}
             */
            kind: "files" | "hosts" | "tools";
            /** Names */
            names: string[];
            /** Message */
            message: string;
        };
        /**
         * Model
         * @description One model of one provider.
         */
        Model: {
            /** Id */
            id: string;
            /** Label */
            label: string;
            lifecycle: components["schemas"]["Lifecycle"];
            /** Retires On */
            retires_on: string | null;
            /**
             * Context Window
             * @description In tokens; None if unknown.
             */
            context_window: number | null;
            /** @description None if unknown, or if it depends on the partner that serves the model. */
            price: components["schemas"]["Price"] | null;
            capabilities: components["schemas"]["Capabilities"];
            /** @default shipped */
            origin: components["schemas"]["Origin"];
            /**
             * Source
             * @default
             */
            source: string;
            /**
             * Checked
             * @description The day on which the source was last checked, by a person or this program.
             */
            checked: string | null;
            /**
             * Base Url
             * @description The base URL of its server, if that isn't the provider's own API.
             */
            base_url: string | null;
            /**
             * Note
             * @description A warning for the user, as a sentence without a full stop.
             */
            note: string | null;
            /**
             * Successors
             * @description Ids of models to move to, best first; only for deprecated, retired or unavailable models.
             * @default []
             */
            successors: string[];
        };
        /**
         * ModelCallData
         * @description One finished model call, under the attribute names of OpenTelemetry's GenAI conventions.
         *
         *     Unknown values are null. Times are in seconds.
         */
        ModelCallData: {
            /**
             * Time
             * @description Seconds since the run started.
             */
            time: number;
            /**
             * Gen Ai.Operation.Name
             * @enum {string}
             */
            "gen_ai.operation.name": "chat" | "count_tokens" | "list_models";
            "gen_ai.provider.name": components["schemas"]["ProviderEnum"];
            /** Gen Ai.Request.Model */
            "gen_ai.request.model": string | null;
            /** Gen Ai.Request.Max Tokens */
            "gen_ai.request.max_tokens": number | null;
            /** Gen Ai.Response.Model */
            "gen_ai.response.model": string | null;
            /** Gen Ai.Response.Id */
            "gen_ai.response.id": string | null;
            /** Gen Ai.Response.Finish Reasons */
            "gen_ai.response.finish_reasons": string[] | null;
            /** Gen Ai.Usage.Input Tokens */
            "gen_ai.usage.input_tokens": number | null;
            /** Gen Ai.Usage.Output Tokens */
            "gen_ai.usage.output_tokens": number | null;
            /** Gen Ai.Usage.Cache Read.Input Tokens */
            "gen_ai.usage.cache_read.input_tokens": number | null;
            /** Gen Ai.Usage.Cache Creation.Input Tokens */
            "gen_ai.usage.cache_creation.input_tokens": number | null;
            /** Gen Ai.Usage.Reasoning.Output Tokens */
            "gen_ai.usage.reasoning.output_tokens": number | null;
            /** Http.Response.Status Code */
            "http.response.status_code": number | null;
            /** Server.Address */
            "server.address": string | null;
            /** Error.Type */
            "error.type": string | null;
            /**
             * Backend
             * @description The kind of upstream: provider, own, local or replay.
             */
            backend: string | null;
            /** Time To First Chunk */
            time_to_first_chunk: number | null;
            /** Time To First Token */
            time_to_first_token: number | null;
            /** Duration */
            duration: number;
            /** Price Table */
            price_table: string | null;
            /**
             * Unpriced
             * @description Whether the call may have cost an unknown amount of money.
             */
            unpriced: boolean;
            /**
             * Refused
             * @description Whether the gateway refused the call without sending it to a model.
             */
            refused: boolean;
            /** Cost Usd */
            cost_usd: number | null;
        };
        /**
         * ModelCallEvent
         * @description A model call ended.
         */
        ModelCallEvent: {
            /**
             * Id
             * @description Number of the event in its run, from 1; sent as `Last-Event-ID`, it resumes the stream.
             */
            id: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            event: "model_call";
            data: components["schemas"]["ModelCallData"];
        };
        /**
         * Need
         * @description Files or hosts that a tool can't work without.
         */
        Need: {
            /** Tool */
            tool: string;
            /**
             * Kind
             * @enum {string}
             */
            kind: "files" | "hosts";
            /**
             * Names
             * @description Hosts as HOST:PORT, or files; empty means that any file will do.
             */
            names: string[];
        };
        /**
         * NotOursResponse
         * @description A file of an unexpected kind, for example one that is not an agent file.
         */
        NotOursResponse: {
            /** Detail */
            detail: string;
            /**
             * Code
             * @constant
             */
            code: "not_ours";
            /**
             * Importable
             * @description Whether /api/import can read the file.
             */
            importable: boolean;
        };
        /**
         * Origin
         * @description The source of a model's entry.
         * @enum {string}
         */
        Origin: "shipped" | "live" | "setting";
        /**
         * Outline
         * @description The outline of a tool.
         */
        Outline: {
            /**
             * Name
             * @description Name of its public function; null if there is none yet.
             */
            name: string | null;
            /**
             * Summary
             * @description The first line of its docstring.
             */
            summary: string | null;
            /**
             * Needs
             * @description The files and hosts that it probably needs.
             */
            needs: ("files" | "hosts") | null;
        };
        /**
         * OutputData
         * @description Text that the program wrote.
         */
        OutputData: {
            /**
             * Time
             * @description Seconds since the run started.
             */
            time: number;
            /**
             * Stream
             * @enum {string}
             */
            stream: "stdout" | "stderr";
            /** Text */
            text: string;
        };
        /**
         * OutputEvent
         * @description The program wrote something.
         */
        OutputEvent: {
            /**
             * Id
             * @description Number of the event in its run, from 1; sent as `Last-Event-ID`, it resumes the stream.
             */
            id: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            event: "output";
            data: components["schemas"]["OutputData"];
        };
        /**
         * OwnServer
         * @description A model server of the user's own.
         */
        OwnServer: {
            /** Base Url */
            base_url: string;
            /**
             * Key Env
             * @description The variable that has its key; null if it needs none.
             */
            key_env: string | null;
            /** Key Configured */
            key_configured: boolean;
            /** @description Who answers agents that call it. */
            answerer: components["schemas"]["Answerer"];
        };
        /**
         * Price
         * @description US dollars per million tokens, at the model's lowest tier.
         */
        Price: {
            /** Input Per Mtok */
            input_per_mtok: number;
            /** Output Per Mtok */
            output_per_mtok: number;
        };
        /**
         * Problem
         * @description One problem of a request.
         */
        Problem: {
            /**
             * Loc
             * @description The location: "body" or "query", then names of fields and positions in lists.
             */
            loc: (string | number)[];
            /** Msg */
            msg: string;
            /** Type */
            type: string;
            /**
             * Line
             * @description The line of the source in that place, counted from 1; null where it is about no line.
             */
            line: number | null;
        };
        /**
         * ProviderEntry
         * @description A provider with its models.
         */
        ProviderEntry: {
            id: components["schemas"]["ProviderEnum"];
            /** Label */
            label: string;
            /**
             * Key Env
             * @description The variable that has its key.
             */
            key_env: string;
            /** Key Configured */
            key_configured: boolean;
            /** Default Model */
            default_model: string;
            /** @description Who answers agents that call its own API. */
            answerer: components["schemas"]["Answerer"];
            /**
             * Takes Base Url
             * @description Whether an agent can call another server that speaks its protocol.
             */
            takes_base_url: boolean;
            /** Servers */
            servers: components["schemas"]["OwnServer"][];
            /**
             * Refreshed At
             * @description When the provider last listed its models, in seconds since the epoch; null if never.
             */
            refreshed_at: number | null;
            /**
             * Refresh Note
             * @description What went wrong when the provider was last asked.
             */
            refresh_note: string | null;
            /** Models */
            models: components["schemas"]["Model"][];
        };
        /**
         * ProviderEnum
         * @description The ids of the providers, as the API, spec files and the command line write them.
         * @enum {string}
         */
        ProviderEnum: "anthropic" | "huggingface";
        /**
         * ReadRequest
         * @description An agent file or a spec file. It is read and never run.
         */
        ReadRequest: {
            /** Code */
            code: string;
            /**
             * Filename
             * @description The file's name. If it ends in .yaml, .yml or .json, `code` is a spec.
             */
            filename?: string | null;
        };
        /**
         * ReadResponse
         * @description The contents of an agent file.
         */
        ReadResponse: {
            spec: components["schemas"]["AgentSpec"];
            /**
             * Exact
             * @description Whether the spec alone generates exactly this file.
             */
            exact: boolean;
            /** Edits */
            edits: components["schemas"]["Edit"][];
            /**
             * Warnings
             * @description The parts that could not become a field, and why.
             */
            warnings: string[];
        };
        /**
         * RecordedAnswer
         * @description A response, with its chunks as bytes.
         */
        RecordedAnswer: {
            /** Status */
            status: number;
            /** Headers */
            headers: unknown;
            /** Chunks */
            chunks: unknown[];
            /**
             * Cut
             * @description Whether the response broke off after its last chunk.
             * @default false
             */
            cut: boolean;
        };
        /**
         * RecordedCall
         * @description One call.
         */
        RecordedCall: {
            provider: components["schemas"]["ProviderEnum"];
            request: components["schemas"]["RecordedRequest"];
            response: components["schemas"]["RecordedAnswer"];
        };
        /**
         * RecordedRequest
         * @description A request. `body` is JSON; a body that was not JSON is a JSON string.
         */
        RecordedRequest: {
            /** Method */
            method: string;
            /** Path */
            path: string;
            /**
             * Body
             * @default null
             */
            body: unknown;
        };
        /**
         * RunAccepted
         * @description A run that was accepted.
         */
        RunAccepted: {
            /** Id */
            id: string;
        };
        /**
         * RunEvent
         * @description One server-sent event: its fields `id`, `event` and `data`, which is JSON on one line.
         */
        RunEvent: components["schemas"]["StartedEvent"] | components["schemas"]["OutputEvent"] | components["schemas"]["ModelCallEvent"] | components["schemas"]["DeniedEvent"] | components["schemas"]["LimitEvent"] | components["schemas"]["ExitEvent"];
        /**
         * RunFile
         * @description A file that a run wrote, without its content.
         */
        RunFile: {
            /** Name */
            name: string;
            /**
             * Size
             * @description In bytes.
             */
            size: number;
        };
        /**
         * RunResponse
         * @description One run with its program.
         */
        RunResponse: {
            /** Id */
            id: string;
            /**
             * Status
             * @enum {string}
             */
            status: "queued" | "running" | "success" | "error" | "timeout" | "limit" | "cancelled" | "failed";
            /** Backend */
            backend: ("provider" | "local" | "replay") | null;
            /**
             * Created At
             * @description ISO 8601, UTC.
             */
            created_at: string;
            /**
             * Reason
             * @description The reason of its status; null after success.
             */
            reason: string | null;
            /** Returncode */
            returncode: number | null;
            /** Duration */
            duration: number | null;
            /** Time To First Output */
            time_to_first_output: number | null;
            usage: components["schemas"]["Usage"] | null;
            /**
             * Cost Usd
             * @description Null if nothing was paid, or the price of a call is unknown.
             */
            cost_usd: number | null;
            /** Code */
            code: string;
            /** Task */
            task: string;
            /** Files */
            files: components["schemas"]["StoredFile"][];
            /** Files Left Out */
            files_left_out: components["schemas"]["LeftOut"][];
        };
        /**
         * RunSummary
         * @description One run of the history. Values that are not known (yet) are null; times are in seconds.
         */
        RunSummary: {
            /** Id */
            id: string;
            /**
             * Status
             * @enum {string}
             */
            status: "queued" | "running" | "success" | "error" | "timeout" | "limit" | "cancelled" | "failed";
            /** Backend */
            backend: ("provider" | "local" | "replay") | null;
            /**
             * Created At
             * @description ISO 8601, UTC.
             */
            created_at: string;
            /**
             * Reason
             * @description The reason of its status; null after success.
             */
            reason: string | null;
            /** Returncode */
            returncode: number | null;
            /** Duration */
            duration: number | null;
            /** Time To First Output */
            time_to_first_output: number | null;
            usage: components["schemas"]["Usage"] | null;
            /**
             * Cost Usd
             * @description Null if nothing was paid, or the price of a call is unknown.
             */
            cost_usd: number | null;
        };
        /**
         * RunsResponse
         * @description A page of the history, newest first.
         */
        RunsResponse: {
            /** Runs */
            runs: components["schemas"]["RunSummary"][];
            /**
             * Next
             * @description The `before` of the next page; null on the last one.
             */
            next: string | null;
        };
        /**
         * SessionRequest
         * @description The access token, to be saved in a cookie.
         */
        SessionRequest: {
            /** Token */
            token: string;
        };
        /**
         * SpecDefaults
         * @description Defaults of the fields that a spec omits.
         */
        SpecDefaults: {
            /**
             * Max Tokens
             * @default 4096
             */
            max_tokens: number;
            /**
             * Max Turns
             * @default 10
             */
            max_turns: number;
            /**
             * Retries
             * @default 2
             */
            retries: number;
        };
        /**
         * SpecFileResponse
         * @description The contents of a spec file, as far as a form can show them.
         */
        SpecFileResponse: {
            /**
             * Spec
             * @description The fields of an `AgentSpec` that were found; their values may be invalid.
             */
            spec: {
                [key: string]: unknown;
            };
            /** Ignored */
            ignored: components["schemas"]["IgnoredField"][];
        };
        /**
         * StartedData
         * @description The start of a run.
         */
        StartedData: {
            /**
             * Time
             * @description Seconds since the run started.
             */
            time: number;
            /** Run Id */
            run_id: string;
            /**
             * Backend
             * @enum {string}
             */
            backend: "provider" | "local" | "replay";
            /**
             * Model Label
             * @description The model that answers, for people.
             */
            model_label: string;
            /**
             * Tier
             * @description The sandbox tier that isolates the run.
             */
            tier: string;
            limits: components["schemas"]["Limits"];
            granted: components["schemas"]["Granted"];
            /** Missing */
            missing: components["schemas"]["MissingNeed"][];
        };
        /**
         * StartedEvent
         * @description The program starts.
         */
        StartedEvent: {
            /**
             * Id
             * @description Number of the event in its run, from 1; sent as `Last-Event-ID`, it resumes the stream.
             */
            id: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            event: "started";
            data: components["schemas"]["StartedData"];
        };
        /**
         * StoredFile
         * @description A file of a run in the history.
         */
        StoredFile: {
            /** Name */
            name: string;
            /**
             * Size
             * @description In bytes.
             */
            size: number;
            /**
             * Kept
             * @description Whether its content can still be fetched.
             */
            kept: boolean;
        };
        /**
         * Successor
         * @description A model to move to, and the file after the change.
         */
        Successor: {
            /** Id */
            id: string;
            /** Label */
            label: string;
            price: components["schemas"]["Price"] | null;
            /** Context Window */
            context_window: number | null;
            /**
             * Problems
             * @description Other settings in the file that the model would refuse; the user has to change them.
             */
            problems: string[];
            /**
             * Diff
             * @description A unified diff, with the usual \ line if the last line has no line end.
             */
            diff: string;
            /** Code */
            code: string;
        };
        /**
         * TextFile
         * @description A file that the program wrote, if it is UTF-8 text.
         */
        TextFile: {
            /** Name */
            name: string;
            /** Size */
            size: number;
            /** Text */
            text: string;
        };
        /**
         * TierReport
         * @description The isolation of runs on this machine. `available` tells whether the server runs code.
         */
        TierReport: {
            /** Tier */
            tier: string;
            /** Layers */
            layers: components["schemas"]["Layer"][];
            /** Available */
            available: boolean;
            /**
             * Reason
             * @description Why the server runs no code, or why running it is dangerous.
             */
            reason: string | null;
            /**
             * Summary
             * @description What the tier means for the person who starts a run.
             */
            summary: string;
        };
        /**
         * ToolSpec
         * @description A tool: the source of one typed Python function with a docstring.
         *
         *     Also accepted: the source alone, and `{"gallery": "calculator"}` for a gallery tool.
         */
        ToolSpec: {
            /**
             * Code
             * @description Python: one public function with types and a docstring; its imports above it.
             */
            code: string;
        };
        /**
         * Upgrade
         * @description The lifecycle of a file's model, and the models to move to.
         */
        Upgrade: {
            provider: components["schemas"]["ProviderEnum"];
            /** Model */
            model: string;
            /** @description None: the catalog doesn't know the model. */
            lifecycle: components["schemas"]["Lifecycle"] | null;
            /** Retires On */
            retires_on: string | null;
            /** Note */
            note: string | null;
            /** Successors */
            successors: components["schemas"]["Successor"][];
        };
        /**
         * UpgradeRequest
         * @description An agent file to move to another model.
         */
        UpgradeRequest: {
            /** Code */
            code: string;
            /**
             * Filename
             * @description The file's name in the diff.
             * @default agent.py
             */
            filename: string;
            /**
             * To
             * @description The only model to move to.
             */
            to?: string | null;
        };
        /**
         * Usage
         * @description The model calls of one run, added up.
         */
        Usage: {
            /** Input Tokens */
            input_tokens: number;
            /** Output Tokens */
            output_tokens: number;
            /** Cached Tokens */
            cached_tokens: number;
            /** Cache Write Tokens */
            cache_write_tokens: number;
            /** Reasoning Tokens */
            reasoning_tokens: number;
            /** Calls */
            calls: number;
            /**
             * Refused Calls
             * @description Calls that the gateway refused.
             */
            refused_calls: number;
            /**
             * Unmetered Calls
             * @description Answered calls whose tokens are not known.
             */
            unmetered_calls: number;
        };
        /**
         * WantedHost
         * @description A host that the agent needs.
         */
        WantedHost: {
            /**
             * Host
             * @description As HOST:PORT, in the form that a run is granted it.
             */
            host: string;
            /**
             * By
             * @description The first tool or MCP server that names it.
             */
            by: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    get_metrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            /** @description `token_required`: The access token is missing or wrong. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `token_missing`: Set AGENT_BUILDER_TOKEN to accept remote requests.
             *     `host_not_allowed`: The Host header has an unknown name.
             *     `origin_not_allowed`: Another site sent the request.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `bug`: The server failed unexpectedly; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description Any other error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
        };
    };
    get_catalog: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CatalogResponse"];
                };
            };
            /** @description `token_required`: The access token is missing or wrong. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `token_missing`: Set AGENT_BUILDER_TOKEN to accept remote requests.
             *     `host_not_allowed`: The Host header has an unknown name.
             *     `origin_not_allowed`: Another site sent the request.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `bug`: The server failed unexpectedly; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description Any other error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
        };
    };
    generate_agent: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["GenerateRequest"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GenerateResponse"];
                };
            };
            /** @description `token_required`: The access token is missing or wrong. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `token_missing`: Set AGENT_BUILDER_TOKEN to accept remote requests.
             *     `host_not_allowed`: The Host header has an unknown name.
             *     `origin_not_allowed`: Another site sent the request.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `conflict`: Changed fields conflict with manual edits; `conflicts` lists the lines. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ConflictResponse"];
                };
            };
            /** @description `too_large`: The request is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `json_only`: Send JSON, with content type application/json.
             *     `not_compressed`: Send the body without Content-Encoding.
             */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `invalid_request`: The request is not valid; `detail` lists its problems.
             *     `not_ours`: The file is not of the expected kind.
             */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["InvalidRequestResponse"] | components["schemas"]["NotOursResponse"];
                };
            };
            /** @description `readers_busy`: Too many files are being read. */
            429: {
                headers: {
                    /** @description Seconds to wait before trying again; sent with `busy`, `queue_full`, `readers_busy` */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `bug`: The server failed unexpectedly; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `busy`: Too many requests of this kind at once. */
            503: {
                headers: {
                    /** @description Seconds to wait before trying again; sent with `busy`, `queue_full`, `readers_busy` */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description Any other error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
        };
    };
    inspect_form: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["InspectRequest"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["InspectResponse"];
                };
            };
            /** @description `token_required`: The access token is missing or wrong. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `token_missing`: Set AGENT_BUILDER_TOKEN to accept remote requests.
             *     `host_not_allowed`: The Host header has an unknown name.
             *     `origin_not_allowed`: Another site sent the request.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `too_large`: The request is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `json_only`: Send JSON, with content type application/json.
             *     `not_compressed`: Send the body without Content-Encoding.
             */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `invalid_request`: The request is not valid; `detail` lists its problems. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["InvalidRequestResponse"];
                };
            };
            /** @description `readers_busy`: Too many files are being read. */
            429: {
                headers: {
                    /** @description Seconds to wait before trying again; sent with `busy`, `queue_full`, `readers_busy` */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `bug`: The server failed unexpectedly; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `busy`: Too many requests of this kind at once. */
            503: {
                headers: {
                    /** @description Seconds to wait before trying again; sent with `busy`, `queue_full`, `readers_busy` */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description Any other error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
        };
    };
    read_agent_file: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ReadRequest"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReadResponse"] | components["schemas"]["SpecFileResponse"];
                };
            };
            /** @description `token_required`: The access token is missing or wrong. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `token_missing`: Set AGENT_BUILDER_TOKEN to accept remote requests.
             *     `host_not_allowed`: The Host header has an unknown name.
             *     `origin_not_allowed`: Another site sent the request.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `too_large`: The request is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `json_only`: Send JSON, with content type application/json.
             *     `not_compressed`: Send the body without Content-Encoding.
             */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `invalid_request`: The request is not valid; `detail` lists its problems.
             *     `not_ours`: The file is not of the expected kind.
             */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["InvalidRequestResponse"] | components["schemas"]["NotOursResponse"];
                };
            };
            /** @description `readers_busy`: Too many files are being read. */
            429: {
                headers: {
                    /** @description Seconds to wait before trying again; sent with `busy`, `queue_full`, `readers_busy` */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `bug`: The server failed unexpectedly; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `busy`: Too many requests of this kind at once. */
            503: {
                headers: {
                    /** @description Seconds to wait before trying again; sent with `busy`, `queue_full`, `readers_busy` */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description Any other error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
        };
    };
    import_program: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ImportRequest"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ImportResponse"];
                };
            };
            /** @description `token_required`: The access token is missing or wrong. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `token_missing`: Set AGENT_BUILDER_TOKEN to accept remote requests.
             *     `host_not_allowed`: The Host header has an unknown name.
             *     `origin_not_allowed`: Another site sent the request.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `too_large`: The request is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `json_only`: Send JSON, with content type application/json.
             *     `not_compressed`: Send the body without Content-Encoding.
             */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `invalid_request`: The request is not valid; `detail` lists its problems.
             *     `not_ours`: The file is not of the expected kind.
             */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["InvalidRequestResponse"] | components["schemas"]["NotOursResponse"];
                };
            };
            /** @description `readers_busy`: Too many files are being read. */
            429: {
                headers: {
                    /** @description Seconds to wait before trying again; sent with `busy`, `queue_full`, `readers_busy` */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `bug`: The server failed unexpectedly; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `busy`: Too many requests of this kind at once. */
            503: {
                headers: {
                    /** @description Seconds to wait before trying again; sent with `busy`, `queue_full`, `readers_busy` */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description Any other error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
        };
    };
    upgrade_agent_file: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UpgradeRequest"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Upgrade"];
                };
            };
            /** @description `token_required`: The access token is missing or wrong. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `token_missing`: Set AGENT_BUILDER_TOKEN to accept remote requests.
             *     `host_not_allowed`: The Host header has an unknown name.
             *     `origin_not_allowed`: Another site sent the request.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `too_large`: The request is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `json_only`: Send JSON, with content type application/json.
             *     `not_compressed`: Send the body without Content-Encoding.
             */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `invalid_request`: The request is not valid; `detail` lists its problems.
             *     `not_ours`: The file is not of the expected kind.
             */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["InvalidRequestResponse"] | components["schemas"]["NotOursResponse"];
                };
            };
            /** @description `readers_busy`: Too many files are being read. */
            429: {
                headers: {
                    /** @description Seconds to wait before trying again; sent with `busy`, `queue_full`, `readers_busy` */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `bug`: The server failed unexpectedly; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `busy`: Too many requests of this kind at once. */
            503: {
                headers: {
                    /** @description Seconds to wait before trying again; sent with `busy`, `queue_full`, `readers_busy` */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description Any other error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
        };
    };
    get_spec_schema: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        [key: string]: unknown;
                    };
                };
            };
            /** @description `token_required`: The access token is missing or wrong. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `token_missing`: Set AGENT_BUILDER_TOKEN to accept remote requests.
             *     `host_not_allowed`: The Host header has an unknown name.
             *     `origin_not_allowed`: Another site sent the request.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `bug`: The server failed unexpectedly; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description Any other error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
        };
    };
    execute: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ExecuteRequest"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExecuteResponse"];
                };
            };
            /** @description `token_required`: The access token is missing or wrong. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `token_missing`: Set AGENT_BUILDER_TOKEN to accept remote requests.
             *     `host_not_allowed`: The Host header has an unknown name.
             *     `origin_not_allowed`: Another site sent the request.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `backend_unavailable`: No model can answer. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `too_large`: The request is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `json_only`: Send JSON, with content type application/json.
             *     `not_compressed`: Send the body without Content-Encoding.
             */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `invalid_request`: The request is not valid; `detail` lists its problems. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["InvalidRequestResponse"];
                };
            };
            /** @description `queue_full`: Too many runs are waiting. */
            429: {
                headers: {
                    /** @description Seconds to wait before trying again; sent with `busy`, `queue_full`, `readers_busy` */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `bug`: The server failed unexpectedly; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `busy`: Too many requests of this kind at once.
             *     `sandbox_unavailable`: The server can't isolate runs.
             *     `store_unavailable`: The run history can't be read or written.
             *     `machinery_failed`: The server failed or is stopping.
             */
            503: {
                headers: {
                    /** @description Seconds to wait before trying again; sent with `busy`, `queue_full`, `readers_busy` */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description Any other error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
        };
    };
    list_runs: {
        parameters: {
            query?: {
                limit?: number;
                before?: string | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunsResponse"];
                };
            };
            /** @description `token_required`: The access token is missing or wrong. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `token_missing`: Set AGENT_BUILDER_TOKEN to accept remote requests.
             *     `host_not_allowed`: The Host header has an unknown name.
             *     `origin_not_allowed`: Another site sent the request.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `run_not_found`: The run does not exist. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `invalid_request`: The request is not valid; `detail` lists its problems. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["InvalidRequestResponse"];
                };
            };
            /** @description `bug`: The server failed unexpectedly; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `store_unavailable`: The run history can't be read or written. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description Any other error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
        };
    };
    create_run: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ExecuteRequest"];
            };
        };
        responses: {
            /** @description Successful Response */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunAccepted"];
                };
            };
            /** @description `token_required`: The access token is missing or wrong. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `token_missing`: Set AGENT_BUILDER_TOKEN to accept remote requests.
             *     `host_not_allowed`: The Host header has an unknown name.
             *     `origin_not_allowed`: Another site sent the request.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `backend_unavailable`: No model can answer. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `too_large`: The request is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `json_only`: Send JSON, with content type application/json.
             *     `not_compressed`: Send the body without Content-Encoding.
             */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `invalid_request`: The request is not valid; `detail` lists its problems. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["InvalidRequestResponse"];
                };
            };
            /** @description `queue_full`: Too many runs are waiting. */
            429: {
                headers: {
                    /** @description Seconds to wait before trying again; sent with `busy`, `queue_full`, `readers_busy` */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `bug`: The server failed unexpectedly; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `busy`: Too many requests of this kind at once.
             *     `sandbox_unavailable`: The server can't isolate runs.
             *     `store_unavailable`: The run history can't be read or written.
             *     `machinery_failed`: The server failed or is stopping.
             */
            503: {
                headers: {
                    /** @description Seconds to wait before trying again; sent with `busy`, `queue_full`, `readers_busy` */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description Any other error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
        };
    };
    get_run: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                run_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunResponse"];
                };
            };
            /** @description `token_required`: The access token is missing or wrong. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `token_missing`: Set AGENT_BUILDER_TOKEN to accept remote requests.
             *     `host_not_allowed`: The Host header has an unknown name.
             *     `origin_not_allowed`: Another site sent the request.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `run_not_found`: The run does not exist. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `bug`: The server failed unexpectedly; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `busy`: Too many requests of this kind at once.
             *     `store_unavailable`: The run history can't be read or written.
             */
            503: {
                headers: {
                    /** @description Seconds to wait before trying again; sent with `busy`, `queue_full`, `readers_busy` */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description Any other error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
        };
    };
    cancel_run: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                run_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `token_required`: The access token is missing or wrong. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `token_missing`: Set AGENT_BUILDER_TOKEN to accept remote requests.
             *     `host_not_allowed`: The Host header has an unknown name.
             *     `origin_not_allowed`: Another site sent the request.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `run_not_found`: The run does not exist. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `run_elsewhere`: The run belongs to another server, which has not cancelled it in time. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `bug`: The server failed unexpectedly; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `store_unavailable`: The run history can't be read or written.
             *     `machinery_failed`: The server failed or is stopping.
             */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description Any other error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
        };
    };
    get_run_events: {
        parameters: {
            query?: never;
            header?: {
                "last-event-id"?: string | null;
            };
            path: {
                run_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Server-sent events; the schema describes one event. Comments keep an idle stream alive. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["RunEvent"];
                };
            };
            /** @description `token_required`: The access token is missing or wrong. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `token_missing`: Set AGENT_BUILDER_TOKEN to accept remote requests.
             *     `host_not_allowed`: The Host header has an unknown name.
             *     `origin_not_allowed`: Another site sent the request.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `run_not_found`: The run does not exist. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `bug`: The server failed unexpectedly; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `busy`: Too many requests of this kind at once.
             *     `store_unavailable`: The run history can't be read or written.
             */
            503: {
                headers: {
                    /** @description Seconds to wait before trying again; sent with `busy`, `queue_full`, `readers_busy` */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description Any other error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
        };
    };
    get_run_cassette: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                run_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CassetteResponse"];
                };
            };
            /** @description `token_required`: The access token is missing or wrong. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `token_missing`: Set AGENT_BUILDER_TOKEN to accept remote requests.
             *     `host_not_allowed`: The Host header has an unknown name.
             *     `origin_not_allowed`: Another site sent the request.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `run_not_found`: The run does not exist. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `bug`: The server failed unexpectedly; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `busy`: Too many requests of this kind at once.
             *     `store_unavailable`: The run history can't be read or written.
             */
            503: {
                headers: {
                    /** @description Seconds to wait before trying again; sent with `busy`, `queue_full`, `readers_busy` */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description Any other error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
        };
    };
    get_run_file: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                run_id: string;
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The file's content. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": string;
                };
            };
            /** @description `token_required`: The access token is missing or wrong. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `token_missing`: Set AGENT_BUILDER_TOKEN to accept remote requests.
             *     `host_not_allowed`: The Host header has an unknown name.
             *     `origin_not_allowed`: Another site sent the request.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `run_not_found`: The run does not exist.
             *     `file_not_found`: The run has no such file.
             */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `bug`: The server failed unexpectedly; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `busy`: Too many requests of this kind at once.
             *     `store_unavailable`: The run history can't be read or written.
             */
            503: {
                headers: {
                    /** @description Seconds to wait before trying again; sent with `busy`, `queue_full`, `readers_busy` */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description Any other error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
        };
    };
    sign_in: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SessionRequest"];
            };
        };
        responses: {
            /** @description Successful Response */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `token_required`: The access token is missing or wrong. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `host_not_allowed`: The Host header has an unknown name.
             *     `origin_not_allowed`: Another site sent the request.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `too_large`: The request is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /**
             * @description `json_only`: Send JSON, with content type application/json.
             *     `not_compressed`: Send the body without Content-Encoding.
             */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `invalid_request`: The request is not valid; `detail` lists its problems. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["InvalidRequestResponse"];
                };
            };
            /** @description `bug`: The server failed unexpectedly; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `busy`: Too many requests of this kind at once. */
            503: {
                headers: {
                    /** @description Seconds to wait before trying again; sent with `busy`, `queue_full`, `readers_busy` */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description Any other error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
        };
    };
    get_health: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["HealthResponse"];
                };
            };
            /**
             * @description `host_not_allowed`: The Host header has an unknown name.
             *     `origin_not_allowed`: Another site sent the request.
             */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description `bug`: The server failed unexpectedly; its log says why. */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
            /** @description No run can be started or saved. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["HealthResponse"];
                };
            };
            /** @description Any other error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorResponse"];
                };
            };
        };
    };
}
