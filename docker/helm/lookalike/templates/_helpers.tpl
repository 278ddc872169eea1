{{- define "lookalike.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "lookalike.labels" -}}
app.kubernetes.io/name: lookalike
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "lookalike.selector" -}}
app.kubernetes.io/name: lookalike
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- /* (list $ "cpu") or (list $ "gpu"): the image's name. */ -}}
{{- define "lookalike.image" -}}
{{- $image := (index . 0).Values.image -}}
{{- $kind := index . 1 -}}
{{- with index $image.digests $kind -}}
{{ $image.repository }}@{{ . }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default (index . 0).Chart.AppVersion }}-{{ $kind }}
{{- end -}}
{{- end -}}

{{- /* What would only be noticed once pods fail is refused here. */ -}}
{{- define "lookalike.check" -}}
{{- if not (or .Values.keys.secretName .Values.keys.allowAnonymous) -}}
{{- fail "set keys.secretName to a Secret with API keys, or keys.allowAnonymous=true to let anybody use the service" -}}
{{- end -}}
{{- if and .Values.keys.secretName .Values.keys.allowAnonymous -}}
{{- fail "keys.secretName and keys.allowAnonymous contradict each other: unset one of them" -}}
{{- end -}}
{{- if and .Values.api.gpus (eq (toString .Values.api.resources.limits.memory) "1536Mi") -}}
{{- fail "api.resources.limits.memory is what a server without a GPU takes: set 8Gi" -}}
{{- end -}}
{{- with .Values.api.autoscaling -}}
{{- if gt (int .minReplicas) (int .maxReplicas) -}}
{{- fail "api.autoscaling.minReplicas is above maxReplicas: lower it" -}}
{{- end -}}
{{- end -}}
{{- if not .Values.database.secretName -}}
{{- if or (gt (int .Values.api.replicas) 1) .Values.api.autoscaling.enabled -}}
{{- fail "more than one server needs PostgreSQL: set database.secretName" -}}
{{- end -}}
{{- else if and (not .Values.data.existingClaim) (not (has "ReadWriteMany" .Values.data.accessModes)) -}}
{{- fail "servers and workers share the data volume: set data.accessModes to [ReadWriteMany], or data.existingClaim" -}}
{{- end -}}
{{- end -}}

{{- define "lookalike.pod" -}}
automountServiceAccountToken: false
# A Service called lookalike would set LOOKALIKE_PORT and the like, which are no settings.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
{{- end -}}

{{- define "lookalike.restricted" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{- define "lookalike.settings" -}}
- {name: LOOKALIKE_LOG_FORMAT, value: json}
# Each thread may hold a decoded image: as many as the container asks for, however many cores the node has.
- {name: LOOKALIKE_INFERENCE_THREADS, valueFrom: {resourceFieldRef: {resource: requests.cpu}}}
{{- with .Values.database.secretName }}
- name: LOOKALIKE_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ . | quote }}, key: {{ $.Values.database.secretKey | quote }}}}
{{- end }}
{{- range $name, $value := .Values.settings }}
{{- /* Helm's numbers are floats: quoted as they are, a million would be 1e+06. */}}
- {name: LOOKALIKE_{{ $name }}, value: {{ ternary $value (toJson $value) (kindIs "string" $value) | quote }}}
{{- end }}
{{- end -}}

{{- define "lookalike.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: data, mountPath: /data}
{{- if or .Values.models.existingClaim .Values.models.init.image }}
- {name: models, mountPath: /models, readOnly: true}
{{- end }}
{{- end -}}

{{- define "lookalike.volumes" -}}
- {name: tmp, emptyDir: {sizeLimit: 1Gi}}
- name: data
  persistentVolumeClaim: {claimName: {{ .Values.data.existingClaim | default (include "lookalike.name" .) }}}
{{- if .Values.models.existingClaim }}
- {name: models, persistentVolumeClaim: {claimName: {{ .Values.models.existingClaim }}, readOnly: true}}
{{- else if .Values.models.init.image }}
- {name: models, emptyDir: {}}
{{- end }}
{{- end -}}

{{- define "lookalike.initContainers" -}}
{{- if .Values.models.init.image -}}
initContainers:
  - name: models
    image: {{ .Values.models.init.image | quote }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    command: {{ toJson .Values.models.init.command }}
    {{- include "lookalike.restricted" . | nindent 4 }}
    resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {memory: 256Mi}}
    volumeMounts:
      - {name: models, mountPath: /models}
      - {name: tmp, mountPath: /tmp}
{{- end }}
{{- end -}}
