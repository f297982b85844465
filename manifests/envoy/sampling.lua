-- Sends a sample of the predictions that pass to the sampler, as the events that KServe's logger
-- sends: request and answer are one CloudEvent each, with the same id.
--
-- Nothing here holds a prediction up. Bodies are copied while they stream by, an event is sent
-- without waiting for what becomes of it, and an error in this script ends the script alone.

local TYPES = "org.kubeflow.serving.inference."
local SAMPLER = "evaluation_sampler" -- the cluster of that name
local STATE = "evaluations.dev" -- what the request's half leaves for the answer's
local EVENT_TIMEOUT_MS = 2000
-- How many bytes of bodies one worker thread copies at the same time.
local MOST_COPIED_BYTES = 32 * 1024 * 1024

local function setting(name)
  local value = os.getenv(name)
  if value == nil or value == "" then
    error(name .. " is not set: set it in the ConfigMap evaluation-envoy", 0)
  end
  return value
end

local function number_setting(name, least, most)
  local text = setting(name)
  local number = tonumber(text)
  if number == nil or not (number >= least and number <= most) then
    local range = "set it to a number from " .. least .. " to " .. most
    error(name .. ' is "' .. text .. '": ' .. range .. " in the ConfigMap evaluation-envoy", 0)
  end
  return number
end

local MODEL = setting("EVALUATION_MODEL")
local VERSION = setting("EVALUATION_MODEL_VERSION")
local NAMESPACE = setting("EVALUATION_NAMESPACE")
local SAMPLER_HOST = setting("EVALUATION_SAMPLER_HOST")
local FRACTION = number_setting("EVALUATION_FRACTION", 0, 1)
local LARGEST_BODY = number_setting("EVALUATION_LARGEST_BODY_BYTES", 1, MOST_COPIED_BYTES)
local TOKEN = os.getenv("EVALUATION_TOKEN")

local PATHS
for path in (os.getenv("EVALUATION_PATHS") or ""):gmatch("%S+") do
  PATHS = PATHS or {}
  PATHS[path] = true
end

-- LuaJIT starts every state with the same seed: all workers of all pods would draw alike.
local function seed_from_the_system()
  local source = assert(io.open("/dev/urandom", "rb"))
  local seed = 0
  for _, byte in ipairs({ source:read(6):byte(1, 6) }) do
    seed = seed * 256 + byte
  end
  source:close()
  math.randomseed(seed)
end
seed_from_the_system()

local function count(handle, what)
  handle:stats():counter("evaluation_" .. what):inc()
end

-- Reserved bytes by the table of a body's chunks. Its keys are weak, so that a call that broke off
-- gives back what it had reserved when its chunks are collected.
local reserved = setmetatable({}, { __mode = "k" })

local function has_room(bytes)
  for _, others in pairs(reserved) do
    bytes = bytes + others
  end
  return bytes <= MOST_COPIED_BYTES
end

-- The body as a string, or nil and what to count if it cannot be copied.
local function copy_body(handle, told_length)
  local most = tonumber(told_length) or LARGEST_BODY
  if most > LARGEST_BODY then
    return nil, "too_large"
  end
  if not has_room(most) then
    collectgarbage()
    if not has_room(most) then
      return nil, "no_room"
    end
  end
  local chunks, size = {}, 0
  reserved[chunks] = most
  for chunk in handle:bodyChunks() do
    local length = chunk:length()
    size = size + length
    if size > LARGEST_BODY then
      reserved[chunks] = nil
      return nil, "too_large"
    end
    if length > 0 then
      chunks[#chunks + 1] = chunk:getBytes(0, length)
    end
  end
  reserved[chunks] = nil
  return table.concat(chunks)
end

-- What one half needs of its headers; to be called before the body, which they do not outlive.
local function read_half(handle)
  local headers = handle:headers()
  local micros = handle:timestampString(EnvoyTimestampResolution.MICROSECOND)
  local seconds = tonumber(micros:sub(1, -7))
  return {
    time = os.date("!%Y-%m-%dT%H:%M:%S.", seconds) .. micros:sub(-6) .. "Z",
    content_type = headers:get("content-type"),
    json_length = headers:get("inference-header-content-length"),
    length = headers:get("content-length"),
    encoding = headers:get("content-encoding"),
  }
end

local function event_headers(half, side, id)
  return {
    [":method"] = "POST",
    [":path"] = "/",
    [":authority"] = SAMPLER_HOST,
    ["authorization"] = TOKEN and TOKEN ~= "" and "Bearer " .. TOKEN or nil,
    ["content-type"] = half.content_type,
    ["ce-specversion"] = "1.0",
    ["ce-id"] = id,
    ["ce-type"] = TYPES .. side,
    ["ce-source"] = "/namespaces/" .. NAMESPACE .. "/models/" .. MODEL,
    ["ce-time"] = half.time,
    ["ce-inferenceservicename"] = MODEL,
    ["ce-modelversion"] = VERSION,
    ["ce-namespace"] = NAMESPACE,
    ["ce-component"] = "predictor",
    ["ce-samplefraction"] = tostring(FRACTION),
    -- Where the JSON of a binary tensor body ends, written as KServe's agent writes it.
    ["ce-metadata"] = half.json_length and half.json_length:match("^%d+$")
      and '{"Inference-Header-Content-Length":["' .. half.json_length .. '"]}' or nil,
  }
end

-- Whether the half is on its way; if not, why is counted.
local function send_half(handle, side, id)
  local half = read_half(handle)
  if half.encoding ~= nil and half.encoding ~= "identity" then
    count(handle, side .. "_encoded")
    return false
  end
  local body, problem = copy_body(handle, half.length)
  if body == nil then
    count(handle, side .. "_" .. problem)
    return false
  end
  handle:httpCall(SAMPLER, event_headers(half, side, id), body, {
    asynchronous = true,
    timeout_ms = EVENT_TIMEOUT_MS,
    send_xff = false,
    trace_sampled = false,
  })
  return true
end

local function is_prediction(headers)
  if headers:get(":method") ~= "POST" then
    return false
  end
  if PATHS ~= nil and not PATHS[headers:get(":path"):match("^[^?]*")] then
    return false
  end
  return (headers:get("content-type") or ""):sub(1, 16) ~= "application/grpc"
end

-- The client's Ce-Id is written as attributes are in headers; an x-request-id, which Envoy makes
-- where the client has sent none, is any text, and what an attribute may not hold is escaped.
local function event_id(headers)
  local id = headers:get("ce-id")
  if id ~= nil and id ~= "" then
    return id
  end
  local escape = function(character)
    return string.format("%%%02X", character:byte())
  end
  return (headers:get("x-request-id"):gsub("[^!#$&-~]", escape))
end

function envoy_on_request(handle)
  local headers = handle:headers()
  if not is_prediction(headers) or math.random() >= FRACTION then
    return
  end
  local id = event_id(headers)
  count(handle, "drawn")
  if send_half(handle, "request", id) then
    handle:streamInfo():dynamicMetadata():set(STATE, "id", id)
  end
end

function envoy_on_response(handle)
  local state = handle:streamInfo():dynamicMetadata():get(STATE)
  if state ~= nil and handle:headers():get(":status") == "200" then
    send_half(handle, "response", state.id)
  end
end
