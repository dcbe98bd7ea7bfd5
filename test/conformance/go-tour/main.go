// The AWS SDK for Go v2 as it comes, on a tour of Lambda: `go-tour URL` prints nothing when all is as on Lambda. It decodes
// answers by the exact case of their keys and by their types, so that a key that is written otherwise is a field that is not there.
package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

const (
	name   = "go"
	arn    = "arn:aws:lambda:us-east-1:000000000000:function:go"
	role   = "arn:aws:iam::000000000000:role/r"
	source = `exports.handler = async (event, context) => {
    console.log("got", event.name);
    if (event.fail) throw new RangeError("as asked");
    return { hello: event.name, version: context.functionVersion };
  };`
	waitMax = 30 * time.Second
)

var (
	ctx    = context.Background()
	client *lambda.Client
)

func main() {
	client = lambda.New(lambda.Options{
		Region:           "us-east-1",
		Credentials:      credentials.NewStaticCredentialsProvider("local", "local", ""),
		EndpointResolver: lambda.EndpointResolverFromURL(os.Args[1]),
		Retryer:          aws.NopRetryer{},
	})
	create()
	invoke()
	versionsAndAliases()
	functionUrl()
	asynchronousConfig()
	layers()
	tags()
	concurrency()
	remove()
}

func create() {
	input := &lambda.CreateFunctionInput{
		FunctionName: aws.String(name),
		Runtime:      "nodejs24.x", // Newer than this SDK.
		Handler:      aws.String("index.handler"),
		Role:         aws.String(role),
		Code:         &types.FunctionCode{ZipFile: archive("index.js", source)},
		Environment:  &types.Environment{Variables: map[string]string{"COLOUR": "green"}},
		Tags:         map[string]string{"team": "a"},
	}
	created := must(client.CreateFunction(ctx, input))
	equal("state", created.State, types.StatePending)
	equal("ARN", *created.FunctionArn, arn)
	equal("limits", []int32{*created.Timeout, *created.MemorySize, *created.EphemeralStorage.Size}, []int32{3, 128, 512})
	active()
	got := must(client.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String(name)}))
	equal("state", got.Configuration.State, types.StateActive)
	equal("last update", got.Configuration.LastUpdateStatus, types.LastUpdateStatusSuccessful)
	equal("environment", got.Configuration.Environment.Variables, map[string]string{"COLOUR": "green"})
	equal("tags", got.Tags, map[string]string{"team": "a"})
	holds("location of the code", strings.HasPrefix(*got.Code.Location, os.Args[1]))

	_, err := client.CreateFunction(ctx, input)
	var conflict *types.ResourceConflictException
	refused(err, &conflict, 409)
	equal("conflict", []string{*conflict.Type, conflict.ErrorMessage()}, []string{"User", "Function already exist: go"})
}

func invoke() {
	answer := must(client.Invoke(ctx, &lambda.InvokeInput{
		FunctionName: aws.String(name),
		Payload:      []byte(`{"name":"Ada"}`),
		LogType:      types.LogTypeTail,
	}))
	equal("status", answer.StatusCode, int32(200))
	equal("payload", string(answer.Payload), `{"hello":"Ada","version":"$LATEST"}`)
	equal("version", *answer.ExecutedVersion, "$LATEST")
	holds("no error of the function", answer.FunctionError == nil)
	log := string(must(base64.StdEncoding.DecodeString(*answer.LogResult)))
	holds("log", strings.Contains(log, "INFO\tgot Ada\n"))

	failed := must(client.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String(name), Payload: []byte(`{"fail":true}`)}))
	equal("error of the function", *failed.FunctionError, "Unhandled")
	holds("type of the error", strings.Contains(string(failed.Payload), `"errorType":"RangeError"`))

	for kind, status := range map[types.InvocationType]int32{types.InvocationTypeEvent: 202, types.InvocationTypeDryRun: 204} {
		accepted := must(client.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String(name), InvocationType: kind}))
		equal(string(kind), accepted.StatusCode, status)
		equal(string(kind), len(accepted.Payload), 0)
	}

	_, err := client.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("none")})
	var missing *types.ResourceNotFoundException
	refused(err, &missing, 404)
	equal("missing", []string{*missing.Type, missing.ErrorMessage()}, []string{
		"User", "Function not found: arn:aws:lambda:us-east-1:000000000000:function:none",
	})
	_, err = client.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String(name), Payload: []byte("{")})
	var content *types.InvalidRequestContentException
	refused(err, &content, 400)
	holds("what is wrong with the content", strings.HasPrefix(content.ErrorMessage(), "Could not parse request body into json"))
}

func versionsAndAliases() {
	for _, version := range []string{"1", "2"} {
		_, err := client.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{
			FunctionName: aws.String(name),
			Description:  aws.String("of " + version),
		})
		check(err)
		waiter := lambda.NewFunctionUpdatedV2Waiter(client, func(options *lambda.FunctionUpdatedV2WaiterOptions) {
			options.MinDelay, options.MaxDelay = 100*time.Millisecond, time.Second
		})
		check(waiter.Wait(ctx, &lambda.GetFunctionInput{FunctionName: aws.String(name)}, waitMax))
		published := must(client.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: aws.String(name)}))
		equal("published", []string{*published.Version, *published.FunctionArn}, []string{version, arn + ":" + version})
	}
	alias := must(client.CreateAlias(ctx, &lambda.CreateAliasInput{
		FunctionName:    aws.String(name),
		Name:            aws.String("live"),
		FunctionVersion: aws.String("1"),
		RoutingConfig:   &types.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{"2": 1}},
	}))
	equal("ARN of the alias", *alias.AliasArn, arn+":live")
	equal("weights", alias.RoutingConfig.AdditionalVersionWeights, map[string]float64{"2": 1})
	answer := must(client.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String(name), Qualifier: aws.String("live")}))
	equal("version", *answer.ExecutedVersion, "2")

	var pages [][]string
	versions := lambda.NewListVersionsByFunctionPaginator(client, &lambda.ListVersionsByFunctionInput{
		FunctionName: aws.String(name),
		MaxItems:     aws.Int32(2),
	})
	for versions.HasMorePages() {
		var page []string
		for _, each := range must(versions.NextPage(ctx)).Versions {
			page = append(page, *each.Version)
		}
		pages = append(pages, page)
	}
	equal("versions", pages, [][]string{{"$LATEST", "1"}, {"2"}})
	aliases := lambda.NewListAliasesPaginator(client, &lambda.ListAliasesInput{FunctionName: aws.String(name)})
	equal("alias", *must(aliases.NextPage(ctx)).Aliases[0].Name, "live")
	holds("no more aliases", !aliases.HasMorePages())
	functions := lambda.NewListFunctionsPaginator(client, &lambda.ListFunctionsInput{MaxItems: aws.Int32(1)})
	equal("function", *must(functions.NextPage(ctx)).Functions[0].FunctionArn, arn)

	_, err := client.CreateAlias(ctx, &lambda.CreateAliasInput{
		FunctionName:    aws.String(name),
		Name:            aws.String("both"),
		FunctionVersion: aws.String("$LATEST"),
		RoutingConfig:   &types.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{"1": 0.5}},
	})
	var invalid *types.InvalidParameterValueException
	refused(err, &invalid, 400)
	equal("invalid", invalid.ErrorMessage(), "$LATEST is not supported for an alias pointing to more than 1 version")
}

func functionUrl() {
	created := must(client.CreateFunctionUrlConfig(ctx, &lambda.CreateFunctionUrlConfigInput{
		FunctionName: aws.String(name),
		AuthType:     types.FunctionUrlAuthTypeNone,
		Cors:         &types.Cors{AllowOrigins: []string{"*"}, MaxAge: aws.Int32(60)},
	}))
	got := must(client.GetFunctionUrlConfig(ctx, &lambda.GetFunctionUrlConfigInput{FunctionName: aws.String(name)}))
	equal("URL", *got.FunctionUrl, *created.FunctionUrl)
	equal("CORS", []any{got.Cors.AllowOrigins[0], *got.Cors.MaxAge, got.AuthType}, []any{"*", int32(60), types.FunctionUrlAuthTypeNone})
	listed := must(client.ListFunctionUrlConfigs(ctx, &lambda.ListFunctionUrlConfigsInput{FunctionName: aws.String(name)}))
	equal("URLs", *listed.FunctionUrlConfigs[0].FunctionArn, arn)
	_, err := client.DeleteFunctionUrlConfig(ctx, &lambda.DeleteFunctionUrlConfigInput{FunctionName: aws.String(name)})
	check(err)
}

func asynchronousConfig() {
	put := must(client.PutFunctionEventInvokeConfig(ctx, &lambda.PutFunctionEventInvokeConfigInput{
		FunctionName:         aws.String(name),
		MaximumRetryAttempts: aws.Int32(1),
	}))
	holds("time of the change", time.Since(*put.LastModified) < time.Hour)
	got := must(client.GetFunctionEventInvokeConfig(ctx, &lambda.GetFunctionEventInvokeConfigInput{FunctionName: aws.String(name)}))
	equal("attempts", *got.MaximumRetryAttempts, int32(1))
}

func layers() {
	published := must(client.PublishLayerVersion(ctx, &lambda.PublishLayerVersionInput{
		LayerName:          aws.String("go-layer"),
		Content:            &types.LayerVersionContentInput{ZipFile: archive("a.txt", "a")},
		CompatibleRuntimes: []types.Runtime{"nodejs24.x"},
	}))
	equal("version of the layer", published.Version, int64(1))
	listed := must(client.ListLayers(ctx, &lambda.ListLayersInput{}))
	equal("layer", *listed.Layers[0].LatestMatchingVersion.LayerVersionArn, *published.LayerVersionArn)
	_, err := client.DeleteLayerVersion(ctx, &lambda.DeleteLayerVersionInput{LayerName: aws.String("go-layer"), VersionNumber: 1})
	check(err)
}

func tags() {
	_, err := client.TagResource(ctx, &lambda.TagResourceInput{Resource: aws.String(arn), Tags: map[string]string{"stage": "test"}})
	check(err)
	_, err = client.UntagResource(ctx, &lambda.UntagResourceInput{Resource: aws.String(arn), TagKeys: []string{"team"}})
	check(err)
	got := must(client.ListTags(ctx, &lambda.ListTagsInput{Resource: aws.String(arn)}))
	equal("tags", got.Tags, map[string]string{"stage": "test"})
}

func concurrency() {
	_, err := client.PutProvisionedConcurrencyConfig(ctx, &lambda.PutProvisionedConcurrencyConfigInput{
		FunctionName:                    aws.String(name),
		Qualifier:                       aws.String("1"),
		ProvisionedConcurrentExecutions: aws.Int32(1),
	})
	check(err)
	got := must(client.GetProvisionedConcurrencyConfig(ctx, &lambda.GetProvisionedConcurrencyConfigInput{
		FunctionName: aws.String(name),
		Qualifier:    aws.String("1"),
	}))
	equal("asked for", *got.RequestedProvisionedConcurrentExecutions, int32(1))
	_, err = client.DeleteProvisionedConcurrencyConfig(ctx, &lambda.DeleteProvisionedConcurrencyConfigInput{
		FunctionName: aws.String(name),
		Qualifier:    aws.String("1"),
	})
	check(err)

	put := must(client.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{
		FunctionName:                 aws.String(name),
		ReservedConcurrentExecutions: aws.Int32(0),
	}))
	equal("reserved", *put.ReservedConcurrentExecutions, int32(0))
	_, err = client.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String(name)})
	var throttled *types.TooManyRequestsException
	refused(err, &throttled, 429)
	equal("why", throttled.Reason, types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded)
	equal("throttled", []string{*throttled.Type, throttled.ErrorMessage()}, []string{"User", "Rate Exceeded."})
}

func remove() {
	_, err := client.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String(name)})
	check(err)
	_, err = client.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String(name)})
	var missing *types.ResourceNotFoundException
	refused(err, &missing, 404)
}

func active() {
	waiter := lambda.NewFunctionActiveV2Waiter(client, func(options *lambda.FunctionActiveV2WaiterOptions) {
		options.MinDelay, options.MaxDelay = 100*time.Millisecond, time.Second
	})
	check(waiter.Wait(ctx, &lambda.GetFunctionInput{FunctionName: aws.String(name)}, waitMax))
}

// refused fills `target` with the error of its type.
func refused[E error](err error, target *E, status int) {
	if !errors.As(err, target) {
		fail("expected a %T: %v", *target, err)
	}
	var response *awshttp.ResponseError
	holds("a response", errors.As(err, &response))
	equal("status", response.HTTPStatusCode(), status)
	holds("the request's id", response.ServiceRequestID() != "")
}

func archive(file, content string) []byte {
	var buffer bytes.Buffer
	writer := zip.NewWriter(&buffer)
	entry := must(writer.Create(file))
	must(entry.Write([]byte(content)))
	check(writer.Close())
	return buffer.Bytes()
}

func equal(what string, got, wanted any) {
	if !reflect.DeepEqual(got, wanted) {
		fail("%s: %v, expected %v", what, got, wanted)
	}
}

func holds(what string, isSo bool) {
	if !isSo {
		fail("not so: %s", what)
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		fail("%v", err)
	}
}

// fail ends with the line of the tour that failed.
func fail(format string, of ...any) {
	panic(fmt.Sprintf(format, of...))
}
