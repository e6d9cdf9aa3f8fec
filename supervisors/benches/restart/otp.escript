#!/usr/bin/env escript
%% The same in OTP: a one_for_one supervisor, a gen_server with a state, which fails, and whose replacement is
%% asked. Prints a line `ERROR KILL` of nanoseconds for each round.
-module(otp).
-mode(compile).
-export([main/1, init/1, handle_call/3, handle_cast/2, handle_info/2, start_keeper/1]).

%% Milliseconds between two failures.
-define(PAUSE, 5).

main([Rounds, Entries]) ->
    logger:set_primary_config(level, none),
    process_flag(trap_exit, true),
    {ok, _} = supervisor:start_link(?MODULE, {sup, list_to_integer(Entries)}),
    %% Code is loaded when it is first run.
    _ = [fall(Way) || _ <- lists:seq(1, 20), Way <- [fun fail/1, fun kill/1]],
    [io:format("~b ~b~n", [fall(fun fail/1), fall(fun kill/1)]) || _ <- lists:seq(1, list_to_integer(Rounds))].

fail(Keeper) -> gen_server:cast(Keeper, fail).

kill(Keeper) -> exit(Keeper, kill).

%% From the failure to the answer of whoever has the name then.
fall(How) ->
    timer:sleep(?PAUSE),
    Old = whereis(keeper),
    From = erlang:monotonic_time(nanosecond),
    How(Old),
    ask(Old),
    erlang:monotonic_time(nanosecond) - From.

ask(Old) ->
    case whereis(keeper) of
        Pid when is_pid(Pid), Pid =/= Old ->
            try gen_server:call(Pid, {get, 7}) of
                14 -> ok
            catch
                exit:_ -> ask(Old)
            end;
        _ ->
            erlang:yield(),
            ask(Old)
    end.

start_keeper(Entries) -> gen_server:start_link({local, keeper}, ?MODULE, {keeper, Entries}, []).

init({sup, Entries}) ->
    Child = #{id => keeper, start => {?MODULE, start_keeper, [Entries]}},
    {ok, {#{strategy => one_for_one, intensity => 1000000, period => 1}, [Child]}};
init({keeper, Entries}) ->
    {ok, maps:from_list([{N, N * 2} || N <- lists:seq(0, Entries - 1)])}.

handle_call({get, N}, _, State) -> {reply, maps:get(N, State), State}.

handle_cast(fail, _) -> exit(it_failed).

handle_info(_, State) -> {noreply, State}.
